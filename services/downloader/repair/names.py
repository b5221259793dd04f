"""Which posted file is which protected one: true names and sizes where posts lie about theirs."""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from services.downloader.archives.names import base_name
from services.downloader.source import HEAD_BYTES, PostedFile

from .packets import Par2File

CLAIMED_SHARE = 0.9
"""A listing claims encoded sizes: some percent more than the file has, and never a tenth."""


def heads_md5(posted: Iterable[PostedFile]) -> dict[int, bytes]:
    """MD5 of the first 16 KiB (or all) of each file, by its index; without those whose head is not whole."""
    return {
        file.index: hashlib.md5(file.head[:HEAD_BYTES], usedforsecurity=False).digest()
        for file in posted
        if len(file.head) >= min(file.size_bytes, HEAD_BYTES)
    }


def match(
    posted: Sequence[PostedFile], md5s: Mapping[int, bytes], protected: Iterable[Par2File]
) -> dict[int, Par2File]:
    """The protected file that each posted one is, by the posted file's index; others are left out.

    The first 16 KiB prove it, with the size to tell files of one beginning apart. A file whose beginning is
    lost is matched by its name, then by its size, and then by what its listing claims; if several of one size
    are left it does not matter to a repair which is which, as par2 finds each slice by its own checksum.
    """
    pairs = _Pairs(protected)
    with_head = [file for file in posted if file.index in md5s]
    without = [file for file in posted if file.index not in md5s]
    pairs.equal(with_head, lambda f: (md5s[f.index], f.size_bytes), lambda p: (p.md5_16k, p.size_bytes))
    pairs.equal(with_head, lambda f: md5s[f.index], lambda p: p.md5_16k)
    pairs.equal([f for f in without if f.name], lambda f: base_name(f.name), lambda p: base_name(p.name))
    pairs.equal(without, lambda f: f.size_bytes, lambda p: p.size_bytes)
    pairs.somewhat_smaller(without)
    return pairs.found


class _Pairs:
    """Grows by one rule after the other; what one has paired the next leaves alone."""

    def __init__(self, protected: Iterable[Par2File]) -> None:
        self.found: dict[int, Par2File] = {}
        self._free = {file.file_id: file for file in protected}

    def equal(
        self,
        files: Iterable[PostedFile],
        of_posted: Callable[[PostedFile], Hashable],
        of_protected: Callable[[Par2File], Hashable],
    ) -> None:
        waiting: dict[Hashable, list[Par2File]] = {}
        for protected in self._free.values():
            waiting.setdefault(of_protected(protected), []).append(protected)
        for file in files:
            if file.index not in self.found and (fitting := waiting.get(of_posted(file))):
                self._pair(file, fitting.pop(0))

    def somewhat_smaller(self, files: Iterable[PostedFile]) -> None:
        free = sorted(self._free.values(), key=_size)
        for file in sorted(files, key=_size):
            at = bisect_right(free, file.size_bytes, key=_size) - 1
            fits = at >= 0 and free[at].size_bytes >= CLAIMED_SHARE * file.size_bytes
            if file.index not in self.found and fits:
                self._pair(file, free.pop(at))

    def _pair(self, file: PostedFile, protected: Par2File) -> None:
        self.found[file.index] = protected
        del self._free[protected.file_id]


def _size(file: PostedFile | Par2File) -> int:
    return file.size_bytes
