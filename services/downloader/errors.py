"""The downloader's exceptions.

DownloaderError               something about this job; has a public code, and who is to blame
├── ReleaseError              the release itself is bad: another release may work
│   ├── NzbRefused            not an NZB, or one that lies or attacks
│   ├── BytesLost             articles that no server has, beyond mending
│   ├── NoFilm                nothing playable inside, or packed in a way we can't open
│   ├── ArchiveRefused        an archive that is broken or hostile
│   └── Unreadable            a film that can't be taken apart for a browser
└── WorldError                the world is bad: the same release may work later
    ├── ServerRefused         news server: credentials, certificate, limits
    ├── ServerUnreachable     news server: network
    ├── IndexerFailed         the NZB could not be fetched
    ├── StorageFailed         the object store
    └── ScratchFull           this machine's disk
"""

from typing import ClassVar, Literal

Blame = Literal["release", "world", "owner"]


class DownloaderError(Exception):
    """`str(error)` is a sentence for a person: what happened, to what, and what to do. Never a secret."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    blame: ClassVar[Blame] = "world"


class ReleaseError(DownloaderError):
    code = "USENET_ERROR"
    blame = "release"


class NzbRefused(ReleaseError):
    pass


class BytesLost(ReleaseError):
    pass


class NoFilm(ReleaseError):
    pass


class ArchiveRefused(ReleaseError):
    pass


class Unreadable(ReleaseError):
    pass


class OwnerError(DownloaderError):
    code = "USENET_ERROR"
    blame = "owner"


class ServerRefused(OwnerError):
    pass


class IndexerRefused(OwnerError):
    code = "NZBGEEK_ERROR"


class WorldError(DownloaderError):
    code = "USENET_ERROR"
    blame = "world"


class ServerUnreachable(WorldError):
    pass


class IndexerFailed(WorldError):
    code = "NZBGEEK_ERROR"


class StorageFailed(WorldError):
    code = "STORAGE_ERROR"


class ScratchFull(WorldError):
    code = "STORAGE_ERROR"
