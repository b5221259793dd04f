"""Which posted file is which protected one: true names and sizes where posts lie about theirs."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence

from services.downloader.archives.names import base_name
from services.downloader.source import HEAD_BYTES, PostedFile

from .packets import Par2File


def match(posted: Sequence[PostedFile], protected: Iterable[Par2File]) -> dict[int, Par2File]:
    """The protected file that each posted one is, by the posted file's index; others are left out.

    The first 16 KiB prove it, with the size to tell files of one beginning apart. A file whose beginning is
    lost is matched by its name, else by its size; if several of one size are left it does not matter to a
    repair which is which, as par2 finds each slice by its own checksum.
    """
    found: dict[int, Par2File] = {}
    free = {file.file_id: file for file in protected}

    def pair(files: Iterable[PostedFile], key: _Key, protected_key: _Par2Key) -> None:
        waiting: dict[Hashable, list[Par2File]] = {}
        for file in free.values():
            waiting.setdefault(protected_key(file), []).append(file)
        for file in files:
            if file.index not in found and (fitting := waiting.get(key(file))):
                found[file.index] = fitting.pop(0)
                del free[found[file.index].file_id]

    known = {file.index: _md5_16k(file) for file in posted if _head_is_whole(file)}
    with_head = [file for file in posted if file.index in known]
    without = [file for file in posted if file.index not in known]
    pair(with_head, lambda f: (known[f.index], f.size_bytes), lambda p: (p.md5_16k, p.size_bytes))
    pair(with_head, lambda f: known[f.index], lambda p: p.md5_16k)
    pair([file for file in without if file.name], lambda f: base_name(f.name), lambda p: base_name(p.name))
    pair(without, lambda f: f.size_bytes, lambda p: p.size_bytes)
    return found


_Key = Callable[[PostedFile], Hashable]
_Par2Key = Callable[[Par2File], Hashable]


def _head_is_whole(file: PostedFile) -> bool:
    return len(file.head) >= min(file.size_bytes, HEAD_BYTES)


def _md5_16k(file: PostedFile) -> bytes:
    return hashlib.md5(file.head[:HEAD_BYTES], usedforsecurity=False).digest()
