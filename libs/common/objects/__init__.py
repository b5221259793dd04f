"""Where films are kept: a folder of this machine, or any S3."""

from libs.common.objects.open import open_store
from libs.common.objects.store import (
    BadKey,
    NoSuchObject,
    ObjectInfo,
    ObjectStore,
    StoreError,
    StoreFull,
    Upload,
)

__all__ = [
    "BadKey",
    "NoSuchObject",
    "ObjectInfo",
    "ObjectStore",
    "StoreError",
    "StoreFull",
    "Upload",
    "open_store",
]
