"""Secrets: hiding them in text, keeping our own on disk, signing with them."""

import hashlib
import hmac
import os
import secrets as randomness
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
SECRET_BYTES = 32
# Shorter "secrets" would blank out ordinary words; no service hands out keys this short.
_MIN_SECRET_CHARS = 4


def scrub(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced by `[hidden]`, URL-quoted ones too."""
    for form in _forms(tuple(secrets)):
        text = text.replace(form, HIDDEN)
    return text


@lru_cache(maxsize=256)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """All ways in which they are written, the longest first."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) < _MIN_SECRET_CHARS:
            continue
        for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret)):
            forms |= {form, _lower_escapes(form)}
    return tuple(sorted(forms, key=len, reverse=True))


def _lower_escapes(quoted: str) -> str:
    head, *rest = quoted.split("%")
    return head + "".join("%" + piece[:2].lower() + piece[2:] for piece in rest)


def load_or_create_secret(path: Path) -> bytes:
    """The 32 random bytes kept in `path` (mode 0600), made on first use.

    Never half-written, and the same for all when several processes make it at once.
    Raises `ValueError` if the file there is not one of ours, `OSError` if it can't be read or made.
    """
    try:
        return _read_secret(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{randomness.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(randomness.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails if another process was first.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return _read_secret(path)


def _read_secret(path: Path) -> bytes:
    with path.open("rb") as file:
        secret = file.read(SECRET_BYTES + 1)
    if len(secret) != SECRET_BYTES:
        raise ValueError(
            f"{path} should hold a secret of {SECRET_BYTES} bytes; delete it to have a new one made"
        )
    return secret


def sign(secret: bytes, *parts: str) -> str:
    """HMAC-SHA256 over the parts, as hex. Each part is counted in, so ("ab", "c") and ("a", "bc") differ."""
    mac = hmac.new(secret, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode()
        mac.update(len(raw).to_bytes(8, "big") + raw)
    return mac.hexdigest()


def same(a: str, b: str) -> bool:
    """Whether two strings are equal, in a time that doesn't tell where they differ."""
    return hmac.compare_digest(a.encode(errors="surrogatepass"), b.encode(errors="surrogatepass"))
