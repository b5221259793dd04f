"""Encrypted archives byte by byte: RAR 5 (AES-256) and RAR 4 (AES-128), in one volume or in many.

Keys are derived by rarfile, and data encrypted by `cryptography`: independently of how they are read.
UnRAR 7.2 unpacks all of them; that was tried by hand, as no package brings it.
"""

import hashlib
import hmac
import random
import zlib
from collections.abc import Callable
from functools import cache

import msgspec
import rarfile
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from libs.sandbox.archives import rar4, rar5

Files = list[tuple[str, bytes]]
CHECK, TWEAKED = 1, 2


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """How to encrypt: `headers` too, or data only."""

    password: str = "open sesame"
    headers: bool = False
    check: bool = True
    """Whether RAR 5 tells what the right password gives."""
    log2_rounds: int = 6
    salts: Callable[[int], int] = lambda volume: 0
    """Seed of the salt of each volume's headers."""


def random_bytes(seed: object, length: int) -> bytes:
    return random.Random(repr(seed)).randbytes(length)


def encrypted(plain: bytes, key: bytes, iv: bytes) -> bytes:
    padded = plain + bytes(-len(plain) % 16)
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(padded)


@cache
def rar4_key(password: str, salt: bytes) -> tuple[bytes, bytes]:
    return rarfile.rar3_s2k(password, salt)


def rar5_key(password: str, salt: bytes, rounds: int) -> bytes:
    return rarfile.rar5_s2k(password, salt, rounds)


def rar5_check(lock: Lock, salt: bytes) -> bytes:
    derived = rar5_key(lock.password, salt, (1 << lock.log2_rounds) + 32)
    value = bytes(derived[at] ^ derived[at + 8] ^ derived[at + 16] ^ derived[at + 24] for at in range(8))
    return value + hashlib.sha256(value).digest()[:4]


def rar5_volumes(files: Files, lock: Lock, part_bytes: int | None = None) -> list[bytes]:
    """Volumes that hold `part_bytes` of packed data each; without, a single archive."""
    made: list[bytes] = []
    salt = random_bytes("data", 16)
    flags = TWEAKED | (CHECK if lock.check else 0)
    checks = rar5_check(lock, salt) if lock.check else b""

    def sealed(block: bytes, data: bytes = b"") -> bytes:
        if not lock.headers:
            return block + data
        iv = random_bytes((len(made), block), 16)
        key = rar5_key(lock.password, header_salt(), 1 << lock.log2_rounds)
        return iv + encrypted(block, key, iv) + data

    def header_salt() -> bytes:
        return random_bytes(("headers", lock.salts(len(made))), 16)

    def begin() -> bytes:
        start = rar5.SIGNATURE
        if lock.headers:
            told = rar5_check(lock, header_salt()) if lock.check else b""
            fields = rar5.vint(0) + rar5.vint(1 if lock.check else 0) + bytes([lock.log2_rounds])
            start += rar5.block(4, 0, fields + header_salt() + told)
        return start + sealed(rar5.main(None if part_bytes is None else len(made)))

    volume, room = begin(), part_bytes or 1 << 60
    for number, (name, plain) in enumerate(files):
        iv = random_bytes(("iv", number), 16)
        record = bytes([1, 0, flags, lock.log2_rounds]) + salt + iv + checks
        packed = encrypted(plain, rar5_key(lock.password, salt, 1 << lock.log2_rounds), iv)
        at = 0
        while at == 0 or at < len(packed):
            if room == 0:
                made.append(volume + sealed(rar5.end(more=True)))
                volume, room = begin(), part_bytes or 0
            part = packed[at : at + room]
            after = at + len(part) < len(packed)
            crc = _tweaked(zlib.crc32(part if after else plain), lock, salt)
            block = rar5.entry(name, part, len(plain), before=at > 0, after=after, crc=crc, records=[record])
            volume += sealed(block[: len(block) - len(part)], part)
            at, room = at + len(part), room - len(part)
            if not part:
                break
    return [*made, volume + sealed(rar5.end())]


def _tweaked(crc: int, lock: Lock, salt: bytes) -> int:
    key = rar5_key(lock.password, salt, (1 << lock.log2_rounds) + 16)
    digest = hmac.digest(key, crc.to_bytes(4, "little"), "sha256")
    folded = 0
    for at in range(0, 32, 4):
        folded ^= int.from_bytes(digest[at : at + 4], "little")
    return folded


def rar4_volumes(files: Files, lock: Lock, part_bytes: int | None = None) -> list[bytes]:
    """The same, of RAR 3 and 4. Each file's salt is its own."""
    made: list[bytes] = []

    def sealed(block: bytes, data: bytes = b"") -> bytes:
        if not lock.headers:
            return block + data
        salt = random_bytes(("headers", lock.salts(len(made))), 8)
        return salt + encrypted(block, *rar4_key(lock.password, salt)) + data

    def begin() -> bytes:
        flags = 0x80 if lock.headers else 0
        return rar4.SIGNATURE + rar4.main(None if part_bytes is None else len(made), flags=flags)

    def ended(*, more: bool) -> bytes:
        return sealed(rar4.end(None if part_bytes is None else len(made), more=more))

    volume, room = begin(), part_bytes or 1 << 60
    for number, (name, plain) in enumerate(files):
        salt = random_bytes(("file", number), 8)
        packed = encrypted(plain, *rar4_key(lock.password, salt))
        at = 0
        while at == 0 or at < len(packed):
            if room == 0:
                made.append(volume + ended(more=True))
                volume, room = begin(), part_bytes or 0
            part = packed[at : at + room]
            after = at + len(part) < len(packed)
            crc = zlib.crc32(part if after else plain)
            block = rar4.entry(
                name, part, len(plain), before=at > 0, after=after, crc=crc, flags=4, salt=salt
            )
            volume += sealed(block[: len(block) - len(part)], part)
            at, room = at + len(part), room - len(part)
            if not part:
                break
    return [*made, volume + ended(more=False)]
