"""What a release is: its true names, the film in it, and which posted bytes the film is made of.

Decides; reads only heads, the smallest par2 volume, and headers of archives.
"""

from collections.abc import Mapping, Sequence

import msgspec

from .archives.contents import Trouble, rar_contents
from .archives.names import base_name
from .archives.volumes import InnerFile
from .errors import BytesLost, NoFilm, ReleaseError
from .extents import Extent, VirtualFile
from .kinds import CONTENT_TYPES, Kind, container_of, kind_of, says_sample
from .repair.blocks import RecoveryFile
from .repair.packets import Par2File, Par2Set
from .repair.protection import Protection, protections
from .source import HEAD_BYTES, PostedFile, Source, Urgency

SAMPLE_SHARE = 0.25
"""What calls itself a sample is one if it is a smaller part of the release; a film may be named so too."""
MAX_SNIFFED = 20
"""Packed files whose first bytes are read, the largest first, until one is a film."""
_SNIFFED_BYTES = 1024
"""Enough for five packets of a transport stream."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The film of a release, and what it takes to have it."""

    film: VirtualFile
    container: str
    """A key of `kinds.CONTENT_TYPES`, by the film's first bytes."""
    content_type: str
    needed_files: Sequence[int]
    """The posted files the film is made of, ascending: what must be filled."""
    par2: Par2Set | None
    """The set that protects them, if there is one."""
    protected: Mapping[int, Par2File]
    """All posted files of that set, by index: what must be filled for a repair."""
    recovery_files: Sequence[RecoveryFile]
    names: Mapping[int, str]
    """The best name of every posted file, for showing; may be empty."""


class NeedsRepairFirst(BytesLost):
    """The film can't be found before lost beginnings of files are mended; this par2 set protects them.

    Fill `protection.protected` and recovery volumes, repair, and describe again.
    """

    def __init__(self, protection: Protection) -> None:
        super().__init__("the beginning of the archive is missing and must be mended before it can be opened")
        self.protection = protection


async def describe(source: Source) -> Description:
    """Finds the film of an opened source: its largest playable file that is no sample.

    Raises `NoFilm` saying what is there instead, `BytesLost` or `ArchiveRefused` if an archive larger than
    any film found can't be opened, and `NeedsRepairFirst` if that archive can be mended.
    """
    posted = [await _with_head(source, file) for file in source.files]
    told = {file.index for file in source.files if file.head}
    volumes = [file for file in posted if kind_of(file.name, file.head) is Kind.PAR2]
    others = [file for file in posted if kind_of(file.name, file.head) is not Kind.PAR2]
    sets = await protections(source, volumes, others)
    named = [_truly_named(file, sets, size_is_told=file.index in told) for file in others]
    inside = await rar_contents(source, [file for file in named if _kind(file) is Kind.RAR])
    film = await _largest_film(source, named, inside.files)
    troubles = [*inside.troubles, *_unopened(named, inside.files)]
    worst = max(troubles, key=lambda trouble: trouble.size_bytes, default=None)
    if worst and (film is None or worst.size_bytes > film.size_bytes):
        raise _best_told(worst, troubles, sets)
    if film is None:
        raise NoFilm(_what_is_there(named, inside.files))
    return _description(film, named, volumes, sets)


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A file that may be the film: posted plainly, or stored in an archive."""

    name: str
    directory: str
    size_bytes: int
    extents: Sequence[Extent]
    head: bytes | None
    """Its first bytes; None if they have not been read yet."""


class _Film(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    size_bytes: int
    extents: Sequence[Extent]
    container: str


async def _with_head(source: Source, file: PostedFile) -> PostedFile:
    """Tries once more for a head that `open` did not get: after a repair it is there."""
    if file.head or not file.size_bytes:
        return file
    try:
        head = await source.read(file.index, 0, min(file.size_bytes, HEAD_BYTES), Urgency.DESCRIBE)
    except BytesLost:
        return file
    return msgspec.structs.replace(file, head=head)


def _truly_named(file: PostedFile, sets: Sequence[Protection], *, size_is_told: bool) -> PostedFile:
    """With the name that par2 has for it, and its size if the file itself has not told that at `open`."""
    for protection in sets:
        if known := protection.protected.get(file.index):
            size_bytes = file.size_bytes if size_is_told else known.size_bytes
            return msgspec.structs.replace(file, name=base_name(known.name), size_bytes=size_bytes)
    return msgspec.structs.replace(file, name=base_name(file.name))


def _kind(file: PostedFile) -> Kind:
    return kind_of(file.name, file.head)


async def _largest_film(
    source: Source, posted: Sequence[PostedFile], packed: Sequence[InnerFile]
) -> _Film | None:
    candidates = [_plain(file) for file in posted if _kind(file) is Kind.VIDEO]
    candidates += [_packed(file) for file in packed if file.stored and not file.encrypted]
    release_bytes = sum(file.size_bytes for file in posted)
    sniffed = 0
    for candidate in sorted(candidates, key=lambda candidate: candidate.size_bytes, reverse=True):
        is_sample = _is_sample(candidate.name, candidate.directory, candidate.size_bytes, release_bytes)
        if is_sample or not candidate.size_bytes:
            continue
        head = candidate.head
        if head is None and sniffed < MAX_SNIFFED:
            sniffed += 1
            head = await _sniff(source, candidate)
        if head is not None and (container := container_of(candidate.name, head)):
            return _Film(
                name=candidate.name,
                size_bytes=candidate.size_bytes,
                extents=candidate.extents,
                container=container,
            )
    return None


def _plain(file: PostedFile) -> _Candidate:
    extent = Extent(file.index, 0, file.size_bytes)
    return _Candidate(
        name=file.name, directory="", size_bytes=file.size_bytes, extents=[extent], head=file.head
    )


def _packed(file: InnerFile) -> _Candidate:
    return _Candidate(
        name=file.name,
        directory=file.directory,
        size_bytes=file.size_bytes,
        extents=file.extents,
        head=None,
    )


async def _sniff(source: Source, candidate: _Candidate) -> bytes:
    """The first bytes of a packed file; empty if they are lost, so that its name decides."""
    film = VirtualFile(candidate.name, candidate.extents)
    try:
        return await film.read(source, 0, min(film.size_bytes, _SNIFFED_BYTES), Urgency.DESCRIBE)
    except BytesLost:
        return b""


def _is_sample(name: str, directory: str, size_bytes: int, release_bytes: int) -> bool:
    return says_sample(name, directory) and size_bytes < SAMPLE_SHARE * release_bytes


def _unopened(posted: Sequence[PostedFile], packed: Sequence[InnerFile]) -> list[Trouble]:
    """What may hold the film, but is packed in a way that extents can't express."""
    packings: dict[str, list[tuple[str, int]]] = {}
    for file in posted:
        if _kind(file) is Kind.OTHER_ARCHIVE:
            packings.setdefault("packed as zip, 7z or in pieces", []).append((file.name, file.size_bytes))
    for file in packed:
        if packing := _packing(file):
            packings.setdefault(packing, []).append((file.name, file.size_bytes))
    return [
        Trouble(
            error=NoFilm(f"“{members[0][0]}” is {packing}, which Matinee can't open yet"),
            files=[],
            size_bytes=sum(size_bytes for _, size_bytes in members),
        )
        for packing, members in packings.items()
    ]


def _packing(file: InnerFile) -> str | None:
    kind = kind_of(file.name, b"")
    if kind in {Kind.RAR, Kind.OTHER_ARCHIVE}:
        return "an archive inside an archive"
    if kind is not Kind.VIDEO or (file.stored and not file.encrypted):
        return None
    return "in an encrypted RAR archive" if file.encrypted else "in a compressed RAR archive"


def _best_told(worst: Trouble, troubles: Sequence[Trouble], sets: Sequence[Protection]) -> ReleaseError:
    """What to raise: that it can be mended if it can, else the largest trouble."""
    lost = {file for trouble in troubles if isinstance(trouble.error, BytesLost) for file in trouble.files}
    for protection in sets:
        if protection.recovery_files and lost & protection.protected.keys():
            return NeedsRepairFirst(protection)
    return worst.error


def _what_is_there(posted: Sequence[PostedFile], packed: Sequence[InnerFile]) -> str:
    release_bytes = sum(file.size_bytes for file in posted)
    sizes = [(file.name, file.size_bytes) for file in posted if _kind(file) is not Kind.RAR]
    sizes += [(file.name, file.size_bytes) for file in packed]
    largest = max(sizes, key=lambda named: named[1], default=("", 0))[0] or "a file without a name"
    kinds = {_kind(file) for file in posted} | {kind_of(file.name, b"") for file in packed}
    if Kind.PROGRAM in kinds:
        return f"this release contains only a program (“{largest}”), and no film"
    if any(
        container_of(name, b"") and _is_sample(name, "", size_bytes, release_bytes)
        for name, size_bytes in sizes
    ):
        return "this release contains only a sample of the film"
    return (
        f"this release contains no film; its largest file is “{largest}”"
        if sizes
        else "this release is empty"
    )


def _description(
    film: _Film, posted: Sequence[PostedFile], volumes: Sequence[PostedFile], sets: Sequence[Protection]
) -> Description:
    needed = sorted({extent.file for extent in film.extents})
    protecting = [one for one in sets if one.protected.keys() & set(needed)]
    protection = max(
        protecting,
        key=lambda one: (len(one.protected.keys() & set(needed)), one.recovery_bytes),
        default=None,
    )
    return Description(
        film=VirtualFile(film.name, film.extents),
        container=film.container,
        content_type=CONTENT_TYPES[film.container],
        needed_files=needed,
        par2=protection.par2 if protection else None,
        protected=protection.protected if protection else {},
        recovery_files=protection.recovery_files if protection else [],
        names={file.index: file.name for file in [*posted, *volumes]},
    )
