"""Keys from passwords, and which passwords are tried how often."""

import asyncio
import time

import pytest
import rarfile

from services.downloader.archives.locks import (
    MAX_PASSWORDS,
    MAX_ROUNDS,
    RAR4_SLOW_ROUNDS,
    Keyring,
    Rar4Lock,
    Rar5Lock,
)
from services.downloader.archives.rar4_kdf import rar4_key
from services.downloader.decrypted import Cipher
from services.downloader.errors import ArchiveRefused
from tests.support.rar_crypt import Lock, encrypted, rar5_check, rar5_key

SALT = bytes(range(16))
_LONG = ["x" * 28, "y" * 29, "long {} " * 5]
"""RAR's own SHA-1 differs from 29 characters on."""


async def opens(keyring: Keyring, lock: Rar5Lock | Rar4Lock, secret: bytes, plain: bytes) -> Cipher | None:
    async def proves(cipher: Cipher) -> bool:
        return b"".join(cipher.decrypt(secret)) == plain

    return await keyring.opening(lock, proves)


@pytest.mark.parametrize(
    "password", ["a", "open sesame", "ünïcode ✓", "😀" * 3, "x" * 28, "y" * 29, "long {} " * 5]
)
@pytest.mark.parametrize("salt", [b"", b"saltsalt"])
def test_rar4_keys_are_those_of_rarfile(password: str, salt: bytes) -> None:
    key, iv = rarfile.rar3_s2k(password, salt)
    assert rar4_key(password, salt) == key + iv


@pytest.mark.parametrize("check", [True, False])
async def test_a_check_or_a_proof_decides(check: bool) -> None:
    made = Lock(password="third")
    secret = encrypted(b"sixteen bytes ok", rar5_key("third", SALT, 64), bytes(16))
    lock = Rar5Lock(salt=SALT, log2_rounds=6, check=rar5_check(made, SALT) if check else b"")
    keyring = Keyring(["first", "second", "third"])
    cipher = await opens(keyring, lock, secret, b"sixteen bytes ok")
    assert cipher
    assert b"".join(cipher.decrypt(secret)) == b"sixteen bytes ok"
    assert await opens(Keyring(["first", "second"]), lock, secret, b"sixteen bytes ok") is None


async def test_a_check_with_a_wrong_checksum_proves_nothing() -> None:
    check = rar5_check(Lock(password="right"), SALT)[:8] + bytes(4)
    lock = Rar5Lock(salt=SALT, log2_rounds=6, check=check)
    secret = encrypted(b"sixteen bytes ok", rar5_key("other", SALT, 64), bytes(16))
    assert await opens(Keyring(["right", "other"]), lock, secret, b"sixteen bytes ok")
    assert await opens(Keyring(["right"]), lock, secret, b"sixteen bytes ok") is None


async def test_only_so_many_passwords_are_tried() -> None:
    asked = 0

    async def proves(_: Cipher) -> bool:
        nonlocal asked
        asked += 1
        return False

    keyring = Keyring(["", "x" * 128, *["double"] * 9, *map(str, range(100))])
    assert await keyring.opening(Rar5Lock(salt=SALT, log2_rounds=1), proves) is None
    assert asked == MAX_PASSWORDS


async def test_a_long_password_is_cut_as_rar_cuts_it() -> None:
    check = rar5_check(Lock(password="x" * 127), SALT)
    lock = Rar5Lock(salt=SALT, log2_rounds=6, check=check)
    assert await opens(Keyring(["x" * 200]), lock, b"", b"")
    assert await opens(Keyring(["x" * 126]), lock, b"", b"") is None


async def test_what_opened_one_thing_is_tried_first_on_the_next() -> None:
    tried: list[Cipher] = []

    async def third(cipher: Cipher) -> bool:
        tried.append(cipher)
        return len(tried) >= 3

    keyring = Keyring(["first", "second", "third"])
    lock = Rar5Lock(salt=SALT, log2_rounds=1)
    opened = await keyring.opening(lock, third)
    assert (opened, len(tried)) == (tried[2], 3)
    await keyring.opening(lock, third)
    assert len(tried) == 4
    assert list(tried[3].decrypt(bytes(16))) == list(tried[2].decrypt(bytes(16)))


async def test_a_hundred_volumes_with_one_salt_cost_one_derivation() -> None:
    async def proves(_: Cipher) -> bool:
        return True

    keyring = Keyring(["password"])
    began = time.process_time()
    await keyring.opening(Rar4Lock(salt=b"saltsalt"), proves)
    one = time.process_time() - began
    await asyncio.gather(*(keyring.opening(Rar4Lock(salt=b"saltsalt"), proves) for _ in range(100)))
    assert time.process_time() - began < 10 * one


async def test_salts_without_end_are_refused() -> None:
    async def proves(_: Cipher) -> bool:
        return True

    keyring = Keyring(["x" * 29])
    for salt in range(MAX_ROUNDS // RAR4_SLOW_ROUNDS):
        await keyring.opening(Rar4Lock(salt=bytes([salt])), proves)
    with pytest.raises(ArchiveRefused, match="too long"):
        await keyring.opening(Rar4Lock(salt=b"another"), proves)
    await keyring.opening(Rar4Lock(salt=bytes([0])), proves)


def test_nothing_shown_has_a_secret() -> None:
    shown = (
        repr(Keyring(["open sesame"])) + repr(Cipher(b"k" * 32, b"i" * 16)) + Keyring(["open sesame"]).advice
    )
    assert not any(secret in shown for secret in ("sesame", "kkk", "iii"))
