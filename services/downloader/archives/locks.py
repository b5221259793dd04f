"""How RAR archives are encrypted, and the passwords that may open them.

Sources: "RAR 5.0 archive format", the technical note, for RAR 5; for RAR 3 and 4, whose note is silent about
it, what archives show and the readers UnRAR, rarfile and 7-Zip agree on. A file's blocks go on from volume to
volume as if there were none: one key, one IV, and padding at the very end only.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVarTuple, Unpack

import msgspec

from services.downloader.decrypted import Cipher
from services.downloader.errors import ArchiveRefused

from .rar4_kdf import FAST_CHARS, rar4_key

MAX_PASSWORDS = 25
"""Tried for one release: 15 of the owner's, and up to ten that it tells. A wrong one costs some 10 ms."""
MAX_PASSWORD_CHARS = 127
"""RAR takes no more of them."""
MAX_LOG2_ROUNDS = 20
"""RAR writes 15; 2^20 rounds take 0.35 s, and the format's limit of 2^24 would take 6 s for each password."""
MAX_ROUNDS = 1 << 26
"""Of all derivations for one release: some 22 s, or a thousand volumes that each have a salt of their own."""
RAR4_ROUNDS, RAR4_SLOW_ROUNDS = 1 << 15, 1 << 21
"""What derivations for RAR 4 count as, by the time they take."""

RAR5_SALT_BYTES = 16
RAR5_CHECK_BYTES = 12
_CHECKED_BYTES = 8
_CHECK_ROUNDS = 32
"""On top of those for the key."""


class Rar5Lock(msgspec.Struct, frozen=True, kw_only=True):
    """AES-256, key by PBKDF2 with HMAC-SHA256."""

    salt: bytes
    log2_rounds: int
    iv: bytes = bytes(16)
    check: bytes = b""
    """What the right password gives, and a checksum of that; empty if the archive doesn't tell."""


class Rar4Lock(msgspec.Struct, frozen=True, kw_only=True):
    """AES-128, key and IV by 2^18 rounds of SHA-1."""

    salt: bytes
    """Eight bytes, or none."""


Lock = Rar5Lock | Rar4Lock
Of = TypeVarTuple("Of")
Proves = Callable[[Cipher], Awaitable[bool]]
"""Whether what it decrypts makes sense."""


class Keyring:
    """The passwords that may open a release, in the order in which they are tried, and what they gave.

    Never says a password. Keys are derived on a thread, one at a time, and each only once.
    """

    def __init__(self, passwords: Iterable[str] = ()) -> None:
        """The first MAX_PASSWORDS count; empty and doubled ones don't. Long ones are cut as RAR cuts them."""
        known = dict.fromkeys(password[:MAX_PASSWORD_CHARS] for password in passwords if password)
        self._passwords = list(known)[:MAX_PASSWORDS]
        self._derived: dict[tuple[object, ...], bytes] = {}
        self._rounds_left = MAX_ROUNDS
        self._turn = asyncio.Lock()

    @property
    def advice(self) -> str:
        """What to say of something that stays locked: how it is, and what to do."""
        known = len(self._passwords)
        how = f"none of the {known} known passwords opens it" if known > 1 else "the known password is wrong"
        how = how if known else "no password is known for it"
        return (
            f"is encrypted and {how}; choose another release, or add its password to downloader.passwords "
            "in the settings"
        )

    async def opening(self, lock: Lock, proves: Proves) -> Cipher | None:
        """What decrypts it; None if no known password does.

        The archive's own check of the password decides; where it has none, `proves` does. Raises
        `ArchiveRefused` for a lock that would take too long to try, and what `proves` raises.
        """
        if isinstance(lock, Rar5Lock) and lock.log2_rounds > MAX_LOG2_ROUNDS:
            raise ArchiveRefused(f"the archive asks for 2^{lock.log2_rounds} rounds to try one password")
        for password in list(self._passwords):
            if cipher := await self._tried(password, lock, proves):
                # What opened one thing is likely to open the next.
                self._passwords.remove(password)
                self._passwords.insert(0, password)
                return cipher
        return None

    async def _tried(self, password: str, lock: Lock, proves: Proves) -> Cipher | None:
        if isinstance(lock, Rar4Lock):
            rounds = RAR4_ROUNDS if len(password) <= FAST_CHARS else RAR4_SLOW_ROUNDS
            derived = await self._once(rounds, rar4_key, password, lock.salt)
            cipher = Cipher(derived[:16], derived[16:])
            return cipher if await proves(cipher) else None
        check, rounds = _trusted(lock.check), 1 << lock.log2_rounds
        if check:
            told = await self._once(rounds, _rar5_key, password, lock.salt, rounds + _CHECK_ROUNDS)
            if _folded(told) != check:
                return None
        cipher = Cipher(await self._once(rounds, _rar5_key, password, lock.salt, rounds), lock.iv)
        return cipher if check or await proves(cipher) else None

    async def _once(self, rounds: int, derive: Callable[[Unpack[Of]], bytes], *of: *Of) -> bytes:
        async with self._turn:
            if of not in self._derived:
                self._rounds_left -= rounds
                if self._rounds_left < 0:
                    raise ArchiveRefused("the archives of this release take too long to try a password on")
                self._derived[of] = await asyncio.to_thread(derive, *of)
            return self._derived[of]


def _rar5_key(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(errors="replace"), salt, rounds)


def _trusted(check: bytes) -> bytes:
    """What the password is compared with; empty if it isn't told, or told wrongly: then it proves nothing."""
    value, checksum = check[:_CHECKED_BYTES], check[_CHECKED_BYTES:]
    return value if checksum and hashlib.sha256(value).digest().startswith(checksum) else b""


def _folded(derived: bytes) -> bytes:
    folded = bytearray(_CHECKED_BYTES)
    for at, byte in enumerate(derived):
        folded[at % _CHECKED_BYTES] ^= byte
    return bytes(folded)
