"""A news server as its owner configured it, and the trust put into it."""

import ssl
from pathlib import Path

import msgspec

from services.downloader.errors import ServerRefused


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One news account. Its text form never shows the password."""

    host: str
    port: int = 563
    tls: bool = True
    ca_file: Path | None = None
    """Certificates trusted as well as the system's, in PEM."""
    username: str | None = None
    password: str | None = None
    connections: int = 8
    """How many connections the account allows; fewer are used if the server says so."""
    priority: int = 0
    """A lower number is asked first; a higher one only for what the lower ones lack."""
    retention_days: int = 0
    """Older posts are not asked for there; 0 if it keeps everything."""

    def __post_init__(self) -> None:
        for text in (self.host, self.username or "", self.password or ""):
            if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
                raise ValueError("a news server's host, user name and password can't hold control characters")
        if not self.host or not 0 < self.port < 65536 or not 0 < self.connections <= 500:
            raise ValueError("a news server needs a host, a port and between 1 and 500 connections")
        if self.retention_days < 0:
            raise ValueError("a news server's retention can't be negative")

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port}, tls={self.tls}, connections={self.connections})"

    def trust(self) -> ssl.SSLContext | None:
        """How to check its certificate; None without TLS. Raises `ServerRefused` for a bad `ca_file`."""
        if not self.tls:
            return None
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file is not None:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except OSError as error:
                raise ServerRefused(
                    f"the file with the certificate authority of {self.host} can't be read: {self.ca_file}"
                ) from error
        return context

    def without_secrets(self, told: str) -> str:
        """What the server said, short, printable and without our credentials, should it echo them."""
        # Characters that nobody sees could part a secret until they are taken out.
        told = "".join(character for character in told if character.isprintable())
        for secret in (self.password, self.username):
            if secret:
                told = told.replace(secret, "***")
        return told[:200].strip()
