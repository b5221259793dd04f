"""What an object store promises, whichever it is: a folder of this machine or an S3 bucket."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

MIB = 1024 * 1024
MIN_PART_BYTES = 8 * MIB
# S3 and R2 take 10,000 parts; the rest is room for a film that turns out larger than expected.
_PLANNED_PARTS = 9_000
MAX_PARTS = 10_000
_MAX_KEY_CHARS = 512
# A folder's names end at 255 bytes, and ours grow by a prefix and a suffix while they are uploaded.
_MAX_SEGMENT_CHARS = 200
_KEY = re.compile(r"[A-Za-z0-9._/-]*")


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One object. `etag` has no quotes and changes with the content; `modified_at` is aware UTC."""

    key: str
    size_bytes: int
    content_type: str
    etag: str
    modified_at: datetime


class StoreError(Exception):
    """A sentence for a person: what happened, to what, and what to do. Never a secret."""


class NoSuchObject(StoreError):
    pass


class StoreFull(StoreError):
    pass


class BadKey(StoreError):
    """The key is not one of ours: a bug, or somebody trying."""


class Upload(Protocol):
    """One object on its way up; it appears under its key all at once, with `complete`.

    Parts may come in any order and several at once. Nothing else may be done after `complete` or `abort`.
    """

    @property
    def part_bytes(self) -> int:
        """Every part but the last has exactly this size."""
        ...

    async def put_part(self, number: int, data: bytes | bytearray | memoryview) -> None:
        """Stores a part, numbered from 1; putting a number again replaces it."""
        ...

    async def complete(self) -> ObjectInfo:
        """Makes the object of the parts 1 to n, all of which must be there; replaces an older object."""
        ...

    async def abort(self) -> None:
        """Drops the parts. Idempotent, and nothing at all after `complete`."""
        ...


class Adopt(Protocol):
    """Makes the object of a whole file of this machine, by a rename: at its old place the file is gone.

    Raises `StoreError`; then the file is where it was, or under the key's prefix.
    """

    async def __call__(self, key: str, path: Path, *, content_type: str) -> ObjectInfo: ...


class ObjectStore(Protocol):
    """Objects under keys of `[A-Za-z0-9._/-]`, no segment empty or beginning with a dot (else `BadKey`).

    Every method raises `StoreError`, in seconds rather than minutes when the store is dead.
    """

    async def start_upload(self, key: str, *, size_bytes: int, content_type: str) -> Upload:
        """`size_bytes` is what is expected: it sets the size of the parts. The parts decide the real one."""
        ...

    def adopter(self, directory: Path) -> Adopt | None:
        """What makes objects of files in this directory without copying them; None if that can't be done."""
        ...

    async def put(self, key: str, data: bytes, *, content_type: str) -> ObjectInfo:
        """Stores a small object in one go, replacing an older one."""
        ...

    async def head(self, key: str) -> ObjectInfo:
        """Raises `NoSuchObject`."""
        ...

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """These bytes; fewer, or none, only beyond the object's end. Raises `NoSuchObject`."""
        ...

    async def list(self, prefix: str) -> list[ObjectInfo]:
        """Every finished object whose key begins with `prefix` (all if empty), by key.

        S3 doesn't tell types when it lists: `content_type` is then guessed from the key.
        """
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Deletes the objects and the unfinished uploads under a prefix; how many objects. Idempotent."""
        ...

    async def signed_url(self, key: str, *, ttl_s: int, content_type: str) -> str:
        """A URL that answers GET, with ranges, for `ttl_s` seconds, as this type, with no credential."""
        ...

    async def let_pages_read(self, origin: str) -> None:
        """Has signed URLs answer the scripts of pages of this origin too (CORS), unless the owner said whom.

        Raises a `StoreError` that tells the owner what to do if that isn't ours to arrange.
        """
        ...

    async def check(self) -> None:
        """Raises a `StoreError` that tells what is wrong: no bucket, keys refused, folder not writable."""
        ...

    async def close(self) -> None: ...


def check_key(key: str) -> str:
    """The key itself, or `BadKey`."""
    if not key or len(key) > _MAX_KEY_CHARS or not _segments_allowed(key.split("/")):
        raise BadKey(f"{key[:80]!r} can't be the key of an object")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself if a key can begin so, or `BadKey`. It may end inside a segment, and be empty."""
    *folders, last = prefix.split("/")
    if len(prefix) > _MAX_KEY_CHARS or not _segments_allowed([*folders, last or "x"]):
        raise BadKey(f"{prefix[:80]!r} can't be the beginning of an object's key")
    return prefix


def check_delete_prefix(prefix: str) -> str:
    """As `check_prefix`, and not empty: nobody means to delete everything."""
    if not prefix:
        raise BadKey("an empty prefix would delete every object; name a folder")
    return check_prefix(prefix)


def _segments_allowed(segments: list[str]) -> bool:
    return all(
        segment and segment[0] != "." and len(segment) <= _MAX_SEGMENT_CHARS and _KEY.fullmatch(segment)
        for segment in segments
    )


def part_bytes_for(size_bytes: int) -> int:
    """The size of parts for an object of this size: at least 8 MiB, whole MiB, at most 9,000 of them."""
    mibs = -(-size_bytes // (_PLANNED_PARTS * MIB))
    return max(MIN_PART_BYTES, mibs * MIB)


def check_part(number: int, length: int, part_bytes: int) -> None:
    """Raises `StoreError` if this can't be a part of an upload with such parts."""
    if not 1 <= number <= MAX_PARTS:
        raise StoreError(f"part {number} of an upload: parts are numbered 1 to {MAX_PARTS}")
    if not 0 < length <= part_bytes:
        raise StoreError(f"part {number} of an upload has {length} bytes, not 1 to {part_bytes}")


def check_whole(key: str, lengths: Mapping[int, int], part_bytes: int) -> int:
    """The object's size by its parts' lengths; `StoreError` unless 1 to n are there, the first n - 1 full."""
    count = len(lengths)
    missing = next((number for number in range(1, count + 1) if number not in lengths), None)
    if count == 0 or missing is not None:
        raise StoreError(f"the upload of {key} can't be completed: part {missing or 1} is missing")
    short = next((number for number in range(1, count) if lengths[number] != part_bytes), None)
    if short is not None:
        raise StoreError(
            f"the upload of {key} can't be completed: part {short} of {count} has {lengths[short]} bytes "
            f"where every part but the last has {part_bytes}"
        )
    return (count - 1) * part_bytes + lengths[count]
