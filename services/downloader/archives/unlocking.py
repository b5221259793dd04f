"""Encrypted files in archives, opened with the passwords that are known."""

from collections.abc import Sequence
from functools import partial
from itertools import islice

import msgspec

from services.downloader.decrypted import Cipher, Decrypted, Layers
from services.downloader.errors import ReleaseError
from services.downloader.extents import VirtualFile
from services.downloader.kinds import ARCHIVES, Kind, kind_of

from .contents import Contents, OpenedArchive, Trouble
from .locks import Keyring
from .parts import SNIFFED_BYTES
from .reading import each
from .volumes import InnerFile

MAX_UNLOCKED = 500
"""Files, the largest first, that are opened: each may have a salt of its own."""


async def unlocked(layers: Layers, keyring: Keyring, archives: Sequence[OpenedArchive]) -> Contents:
    """The same archives; files that a known password opens are not encrypted any more, and lie in `layers`.

    Where the archive has no check of the password, only what then begins like a film or an archive is open.
    """

    async def one(at: int) -> InnerFile | Trouble:
        try:
            return await _unlocked(layers, keyring, files[at])
        except ReleaseError as error:
            posted = layers.posted_files({extent.file for extent in files[at].extents})
            return Trouble(error=error, files=sorted(posted), size_bytes=files[at].size_bytes)

    files = [file for archive in archives for file in archive.files]
    locked = [at for at, file in enumerate(files) if file.stored and file.lock and file.size_bytes]
    locked.sort(key=lambda at: files[at].size_bytes, reverse=True)
    opened = dict(zip(locked[:MAX_UNLOCKED], await each(locked[:MAX_UNLOCKED], one), strict=True))
    found = iter([opened.get(at, file) for at, file in enumerate(files)])
    troubles: list[Trouble] = []
    unlocked: list[OpenedArchive] = []
    for archive in archives:
        of_this = list(islice(found, len(archive.files)))
        troubles += [file for file in of_this if isinstance(file, Trouble)]
        whole = [file for file in of_this if isinstance(file, InnerFile)]
        unlocked.append(msgspec.structs.replace(archive, files=whole))
    return Contents(archives=unlocked, troubles=troubles)


async def _unlocked(layers: Layers, keyring: Keyring, file: InnerFile) -> InnerFile:
    stored = layers.file(file.name, file.extents)
    if file.lock is None:
        return file
    cipher = await keyring.opening(file.lock, partial(_begins_well, layers, stored, file.size_bytes))
    if cipher is None:
        return file
    extent = layers.put(Decrypted(stored, cipher, file.size_bytes))
    return msgspec.structs.replace(file, extents=[extent], encrypted=False, lock=None)


async def _begins_well(layers: Layers, stored: VirtualFile, size_bytes: int, cipher: Cipher) -> bool:
    plain = Decrypted(stored, cipher, size_bytes)
    head = await layers.head(plain, min(size_bytes, SNIFFED_BYTES))
    return kind_of("", head) in {Kind.VIDEO, *ARCHIVES}
