"""The store that the settings name."""

from pathlib import Path
from typing import Protocol

from libs.common.objects.files import FilesStore
from libs.common.objects.store import ObjectStore


class Storage(Protocol):
    """The `[storage]` table of the settings; all but `kind` matter only to S3."""

    @property
    def kind(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def bucket(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def access_key_id(self) -> str: ...
    @property
    def secret_access_key(self) -> str: ...


def open_store(storage: Storage, *, files_root: Path, public_url: str, secret: bytes) -> ObjectStore:
    """A store of `kind` "files" (under `files_root`) or "s3"; touches neither disk nor network yet."""
    if storage.kind == "files":
        return FilesStore(files_root, public_url=public_url, secret=secret)
    if storage.kind != "s3":
        raise ValueError(f'storage.kind is {storage.kind!r}; it can be "files" or "s3"')
    # aioboto3 takes most of a second to import, and is installed only where an extra asks for it.
    from libs.common.objects.s3 import S3Store

    return S3Store(
        endpoint=storage.endpoint,
        bucket=storage.bucket,
        region=storage.region,
        access_key_id=storage.access_key_id,
        secret_access_key=storage.secret_access_key,
    )
