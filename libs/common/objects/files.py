"""Objects as files under one folder, with signed URLs of our own.

An object `movies/x/movie.mp4` is that file under the root. Names that begin with a dot are ours: a key can't
have one. `.movie.mp4.<id>.part` is an upload under way (and all that a crash leaves behind);
`.movie.mp4.type` keeps a content type that the suffix doesn't tell.
"""

import asyncio
import errno
import os
import secrets
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from libs.common.objects.store import (
    Adopt,
    NoSuchObject,
    ObjectInfo,
    StoreError,
    StoreFull,
    check_delete_prefix,
    check_key,
    check_part,
    check_prefix,
    check_whole,
    part_bytes_for,
)
from libs.common.objects.types import type_of
from libs.common.security import same, sign

_PART_SUFFIX = ".part"
_TYPE_SUFFIX = ".type"
_MAX_TYPE_BYTES = 255
_MODE = 0o640
# How often a folder is made again when a delete_prefix next door removes it, empty, under our hands.
_FOLDER_ATTEMPTS = 20


class FilesStore:
    """An `ObjectStore` in a folder. Several processes may use the same one at once."""

    def __init__(self, root: Path, *, public_url: str, secret: bytes) -> None:
        self._root = root
        self._public_url = public_url.rstrip("/")
        self._secret = secret

    def path(self, key: str) -> Path:
        """Where an object's bytes are, if it exists; always inside the root. Raises `BadKey`."""
        return self._root.joinpath(*check_key(key).split("/"))

    async def start_upload(self, key: str, *, size_bytes: int, content_type: str) -> "FileUpload":
        """See `ObjectStore`. Raises `StoreFull` at once if the disk hasn't `size_bytes` left."""
        target = self.path(key)
        return await asyncio.to_thread(self._start, key, target, size_bytes, content_type)

    def _start(self, key: str, target: Path, size_bytes: int, content_type: str) -> "FileUpload":
        with _told(key):
            draft = _create_draft(target)
            if shutil.disk_usage(draft.parent).free < size_bytes:
                draft.unlink()
                raise StoreFull(f"no room for {key}: it needs {size_bytes} bytes; free some disk space")
        return FileUpload(key, target, draft, size_bytes=size_bytes, content_type=content_type)

    def adopter(self, directory: Path) -> Adopt | None:
        """Files on the store's own file system can be adopted."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            near = directory.stat().st_dev == self._root.stat().st_dev
        except OSError:
            # What is wrong there is told by whoever writes there.
            return None
        return self._adopt_file if near else None

    async def _adopt_file(self, key: str, path: Path, *, content_type: str) -> ObjectInfo:
        return await asyncio.to_thread(self._adopt, key, self.path(key), path, content_type)

    def _adopt(self, key: str, target: Path, path: Path, content_type: str) -> ObjectInfo:
        with _told(key):
            draft = _create_draft(target)
            try:
                path.chmod(_MODE)
                path.replace(draft)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            try:
                _publish(draft, target, content_type)
            except BaseException:
                # It is the only copy there is.
                with suppress(OSError):
                    draft.replace(path)
                raise
            return _info(key, target)

    async def put(self, key: str, data: bytes, *, content_type: str) -> ObjectInfo:
        return await asyncio.to_thread(self._put, key, self.path(key), data, content_type)

    def _put(self, key: str, target: Path, data: bytes, content_type: str) -> ObjectInfo:
        with _told(key):
            draft = _create_draft(target)
            try:
                draft.write_bytes(data)
                _publish(draft, target, content_type)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            return _info(key, target)

    async def head(self, key: str) -> ObjectInfo:
        return await asyncio.to_thread(self._head, key, self.path(key))

    def _head(self, key: str, path: Path) -> ObjectInfo:
        with _told(key):
            return _info(key, path)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._read, key, self.path(key), offset, length)

    def _read(self, key: str, path: Path, offset: int, length: int) -> bytes:
        with _told(key), path.open("rb") as file:
            return os.pread(file.fileno(), length, offset)

    def _list(self, prefix: str) -> list[ObjectInfo]:
        found: list[ObjectInfo] = []
        with _told(prefix):
            for key, path in self._walk(prefix):
                if not path.name.startswith("."):
                    # It may be deleted while we look; then it isn't in the list.
                    with suppress(FileNotFoundError):
                        found.append(_info(key, path))
        return sorted(found, key=lambda info: info.key)

    async def list(self, prefix: str) -> list[ObjectInfo]:
        return await asyncio.to_thread(self._list, check_prefix(prefix))

    async def delete_prefix(self, prefix: str) -> int:
        return await asyncio.to_thread(self._delete_prefix, check_delete_prefix(prefix))

    def _delete_prefix(self, prefix: str) -> int:
        deleted = 0
        with _told(prefix):
            for _, path in list(self._walk(prefix)):
                with suppress(FileNotFoundError):
                    path.unlink()
                    deleted += not path.name.startswith(".")
            self._prune(self._folder(prefix))
        return deleted

    def _folder(self, prefix: str) -> Path:
        return self._root.joinpath(*prefix.split("/")[:-1])

    def _walk(self, prefix: str) -> Iterator[tuple[str, Path]]:
        """Every file that belongs to an object under the prefix, with that object's key."""
        for folder, _, names in os.walk(self._folder(prefix)):
            inner = Path(folder).relative_to(self._root)
            for name in names:
                key = (inner / _object_name(name)).as_posix()
                if key.startswith(prefix):
                    yield key, Path(folder, name)

    def _prune(self, top: Path) -> None:
        """Removes the empty folders at and below `top`, and those above it that thereby became empty."""
        below = [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
        above = [folder for folder in (top, *top.parents) if folder.is_relative_to(self._root)]
        for folder in below + above:
            if folder != self._root:
                with suppress(OSError):
                    folder.rmdir()

    async def let_pages_read(self, origin: str) -> None:  # noqa: ARG002  whoever serves the URLs knows its pages
        return

    async def signed_url(self, key: str, *, ttl_s: int, content_type: str) -> str:
        """`{public_url}/files/{key}?expires=…&type=…&signature=…`; `serve.serve_signed` answers it."""
        expires = int(time.time()) + ttl_s
        signature = self._signature(check_key(key), expires, content_type)
        query = urlencode({"expires": expires, "type": content_type, "signature": signature})
        return f"{self._public_url}/files/{key}?{query}"

    def verify(self, key: str, expires: int, signature: str, content_type: str) -> bool:
        """Whether `signed_url` made this for this very key, time and type, and the time isn't over."""
        genuine = same(signature, self._signature(key, expires, content_type))
        return genuine and time.time() < expires

    def _signature(self, key: str, expires: int, content_type: str) -> str:
        return sign(self._secret, "files", key, str(expires), content_type)

    async def check(self) -> None:
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            probe = _create_draft(self._root / "probe")
            probe.write_bytes(b"probe")
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"the storage folder {self._root} can't be written ({error.strerror}): "
                "give this user the right to write there, or set another data_dir"
            ) from error

    async def close(self) -> None:
        """Nothing is kept open."""


class FileUpload:
    """An `Upload` into one hidden file beside the target, each part written at its place."""

    def __init__(self, key: str, target: Path, draft: Path, *, size_bytes: int, content_type: str) -> None:
        self._key = key
        self._target = target
        self._draft = draft
        self._content_type = content_type
        self._part_bytes = part_bytes_for(size_bytes)
        self._lengths: dict[int, int] = {}

    @property
    def part_bytes(self) -> int:
        return self._part_bytes

    async def put_part(self, number: int, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data).cast("B")
        check_part(number, view.nbytes, self._part_bytes)
        await asyncio.to_thread(self._write, (number - 1) * self._part_bytes, view)
        self._lengths[number] = view.nbytes

    def _write(self, offset: int, view: memoryview) -> None:
        with self._told(), self._draft.open("r+b") as file:
            while view:
                written = os.pwrite(file.fileno(), view, offset)
                view, offset = view[written:], offset + written

    async def complete(self) -> ObjectInfo:
        size_bytes = check_whole(self._key, self._lengths, self._part_bytes)
        return await asyncio.to_thread(self._complete, size_bytes)

    def _complete(self, size_bytes: int) -> ObjectInfo:
        with self._told():
            # A part that was replaced by a shorter one may have left more behind.
            os.truncate(self._draft, size_bytes)
            _publish(self._draft, self._target, self._content_type)
            return _info(self._key, self._target)

    async def abort(self) -> None:
        await asyncio.to_thread(self._abort)

    def _abort(self) -> None:
        with self._told():
            self._draft.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            with _told(self._key):
                yield
        except NoSuchObject as error:
            raise StoreError(
                f"the upload of {self._key} is over: it was completed, aborted or deleted"
            ) from error


def _create_draft(target: Path) -> Path:
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}{_PART_SUFFIX}")
    for attempt in range(_FOLDER_ATTEMPTS):
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE))
        except FileNotFoundError:
            if attempt == _FOLDER_ATTEMPTS - 1:
                raise
        else:
            break
    return draft


def _publish(draft: Path, target: Path, content_type: str) -> None:
    """The draft takes the target's name, for good: neither it nor its name is lost when the power fails."""
    _sync(draft)
    kept_type = target.with_name(f".{target.name}{_TYPE_SUFFIX}")
    if content_type == type_of(target.name):
        kept_type.unlink(missing_ok=True)
    else:
        kept_type.write_text(content_type)
    draft.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _object_name(name: str) -> str:
    """`movie.mp4` for itself and for the hidden files that belong to it."""
    if name.startswith(".") and name.endswith(_PART_SUFFIX):
        return name[1:].removesuffix(_PART_SUFFIX).rpartition(".")[0]
    if name.startswith(".") and name.endswith(_TYPE_SUFFIX):
        return name[1:].removesuffix(_TYPE_SUFFIX)
    return name


def _info(key: str, path: Path) -> ObjectInfo:
    stat = path.stat()
    if path.is_dir():
        raise NoSuchObject(f"there is no object {key} in the store")
    try:
        with path.with_name(f".{path.name}{_TYPE_SUFFIX}").open() as file:
            content_type = file.read(_MAX_TYPE_BYTES)
    except FileNotFoundError:
        content_type = type_of(key)
    return ObjectInfo(
        key=key,
        size_bytes=stat.st_size,
        content_type=content_type,
        etag=f"{stat.st_mtime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}",
        modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
    )


@contextmanager
def _told(key: str) -> Generator[None]:
    """Translates what the disk says."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NoSuchObject(f"there is no object {key} in the store") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"no room for {key}: the disk is full; free some space") from error
        raise StoreError(
            f"{key} can't be read or written on this machine's disk: {error.strerror}"
        ) from error
