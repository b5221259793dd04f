"""What a release is: its true names, the film in it, and which posted bytes the film is made of.

Decides; reads only heads, the smallest par2 volume, and headers of archives.
"""

from collections.abc import Mapping, Sequence

import msgspec

from .archives.contents import OpenedArchive, Trouble
from .archives.locks import Keyring
from .archives.names import base_name
from .archives.opening import MAX_DEPTH, Release, open_release
from .archives.parts import Part
from .archives.volumes import NotPosted
from .beside import TextBeside, texts_beside
from .choose import Film, Wanted, choose_film, is_sample
from .decrypted import Layers
from .errors import BytesLost, NoFilm, ReleaseError
from .extents import Extent, VirtualFile
from .kinds import ARCHIVES, CONTENT_TYPES, Kind, container_of, kind_of
from .repair.blocks import RecoveryFile
from .repair.packets import Par2File, Par2Set
from .repair.protection import Protection, protections
from .source import HEAD_BYTES, PostedFile, Source, Urgency
from .unpack.packed import Packed, packed_in


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """Which posted files it takes to have a film, and what mends them."""

    needed_files: Sequence[int]
    """The posted files the film is made of, or lies packed in, ascending: what must be filled."""
    par2: Par2Set | None
    """The set that protects them, if there is one."""
    protected: Mapping[int, Par2File]
    """All posted files of that set, by index: what must be filled for a repair."""
    recovery_files: Sequence[RecoveryFile]


class Description(Needs, frozen=True, kw_only=True):
    """The film of a release, and what it takes to have it."""

    film: VirtualFile
    container: str
    """A key of `kinds.CONTENT_TYPES`, by the film's first bytes."""
    content_type: str
    names: Mapping[int, str]
    """The best name of every posted file, for showing; may be empty."""
    texts: Sequence[TextBeside] = ()
    """The files of the release that are subtitles of the film."""


class NeedsRepairFirst(BytesLost):
    """The film can't be found before lost beginnings of files are mended; this par2 set protects them.

    Fill `protection.protected` and recovery volumes, repair, and describe again.
    """

    def __init__(self, protection: Protection) -> None:
        super().__init__("the beginning of the archive is missing and must be mended before it can be opened")
        self.protection = protection


class NeedsUnpacking(NoFilm):
    """The film is packed in a way that extents can't express.

    Fill `needs.needed_files`, mend them, and unpack.
    """

    def __init__(self, packed: Packed, needs: Needs) -> None:
        file = packed.first
        super().__init__(f"“{file.name}” is in a compressed {file.format} archive and must be unpacked")
        self.packed = packed
        self.needs = needs


async def describe(
    source: Source, wanted: Wanted | None = None, keyring: Keyring | None = None
) -> Description:
    """Finds the film of an opened source: the one that is `wanted`, or else its largest playable file.

    Encrypted archives are opened with what is on the keyring.

    Raises `NoFilm` saying what is there instead, `BytesLost` or `ArchiveRefused` if an archive larger than
    any film found can't be opened, `NeedsRepairFirst` if that archive can be mended, and `NeedsUnpacking`.
    """
    posted = [await _with_head(source, file) for file in source.files]
    told = {file.index for file in source.files if file.head}
    volumes = [file for file in posted if kind_of(file.name, file.head) is Kind.PAR2]
    others = [file for file in posted if kind_of(file.name, file.head) is not Kind.PAR2]
    sets = await protections(source, volumes, others)
    sure = told.union(*(one.protected for one in sets), (file.index for file in posted if file.head))
    named = [_truly_named(file, sets, size_is_told=file.index in told) for file in others]
    promised = [base_name(file.name) for one in sets for file in one.par2.files.values()]
    layers, keyring = Layers(source, len(source.files)), keyring or Keyring()
    release = await open_release(
        layers, [_part(file, size_is_sure=file.index in sure) for file in named], promised, keyring
    )
    film = await choose_film(layers, release.parts, wanted)
    troubles = [*release.troubles, *_unopened(release, keyring)]
    within_reach = [archive for archive in release.archives if _is_posted(archive, len(source.files))]
    if packed := packed_in(within_reach, wanted):
        troubles.append(_to_be_unpacked(packed, sets))
    worst = max(troubles, key=lambda trouble: trouble.size_bytes, default=None)
    if worst and (film is None or worst.size_bytes > film.part.size_bytes):
        told = _best_told(worst, troubles, sets, layers)
        if isinstance(told, NotPosted) and (protection := _with_unposted(source, sets)):
            raise NeedsRepairFirst(protection) from told
        raise told
    if film is None and volumes and not others:
        raise NoFilm("this release brings nothing but recovery data (par2), and no film")
    if film is None:
        raise NoFilm(_what_is_there(release))
    texts = texts_beside(release.parts, film.part, layers.file)
    return _description(film, layers.file(film.part.name, film.part.extents), texts, [*named, *volumes], sets)


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


def _part(file: PostedFile, *, size_is_sure: bool) -> Part:
    return Part(
        name=file.name,
        size_bytes=file.size_bytes,
        extents=[Extent(file.index, 0, file.size_bytes)],
        head=file.head,
        size_is_sure=size_is_sure,
    )


def _unopened(release: Release, keyring: Keyring) -> list[Trouble]:
    """What may hold the film, but is packed in a way that extents can't express."""
    packings: dict[str, list[tuple[str, int]]] = {}
    for part in release.parts:
        if kind_of(part.name, part.head) in ARCHIVES:
            packings.setdefault(f"is {_TOO_DEEP}", []).append((part.name, part.size_bytes))
    for file in release.packed:
        if file.encrypted and kind_of(file.name, b"") in {Kind.VIDEO, *ARCHIVES}:
            packing = keyring.advice if file.stored and file.lock else f"is {_ENCRYPTED.format(file.format)}"
            packings.setdefault(packing, []).append((file.name, file.size_bytes))
    return [
        Trouble(
            error=NoFilm(f"“{members[0][0]}” {packing}"),
            files=[],
            size_bytes=sum(size_bytes for _, size_bytes in members),
        )
        for packing, members in packings.items()
    ]


def _is_posted(archive: OpenedArchive, posted_files: int) -> bool:
    """Whether it lies in posted files as it is, and not in decrypted ones."""
    return all(file < posted_files for volume in archive.volumes for file in volume.posted_files)


_TOO_DEEP = f"an archive inside of more than {MAX_DEPTH} others, and Matinee looks no deeper"
_ENCRYPTED = "in an encrypted {} archive, and Matinee can't open that yet"


def _to_be_unpacked(packed: Packed, sets: Sequence[Protection]) -> Trouble:
    volumes = [volume for archive in packed.archives for volume in archive.volumes]
    needed = {file for volume in volumes for file in volume.posted_files}
    return Trouble(
        error=NeedsUnpacking(packed, _needs(needed, sets)), files=[], size_bytes=packed.unpacked_bytes
    )


def _best_told(
    worst: Trouble, troubles: Sequence[Trouble], sets: Sequence[Protection], layers: Layers
) -> ReleaseError:
    """What to raise: that it can be mended if it can, else the largest trouble."""
    lost = {
        file
        for trouble in troubles
        if isinstance(trouble.error, BytesLost) and not isinstance(trouble.error, NotPosted)
        for file in layers.posted_files(trouble.files)
    }
    for protection in sets:
        if protection.recovery_files and lost & protection.protected.keys():
            return NeedsRepairFirst(protection)
    return worst.error


def _with_unposted(source: Source, sets: Sequence[Protection]) -> Protection | None:
    """A set that can make those volumes of its archives that were never posted: they are expected now."""
    for protection in sets:
        slice_bytes, posted = protection.par2.slice_bytes, {f.file_id for f in protection.protected.values()}
        files = [file for file in protection.par2.files.values() if file.file_id not in posted]
        lost = [f for f in files if f.size_bytes and kind_of(base_name(f.name), b"") in ARCHIVES]
        lost_bytes = slice_bytes * sum(-(-file.size_bytes // slice_bytes) for file in lost)
        if 0 < lost_bytes <= protection.recovery_bytes:
            expected = {source.expect(base_name(file.name), file.size_bytes): file for file in lost}
            return msgspec.structs.replace(protection, protected={**protection.protected, **expected})
    return None


def _what_is_there(release: Release) -> str:
    sizes = [(part.name, part.directory, part.size_bytes) for part in release.parts]
    sizes += [(file.name, file.directory, file.size_bytes) for file in release.packed]
    if not sizes:
        return "this release is empty"
    release_bytes = sum(size_bytes for *_, size_bytes in sizes)
    largest = max(sizes, key=lambda sized: sized[2])[0] or "a file without a name"
    kinds = {kind_of(part.name, part.head) for part in release.parts}
    kinds |= {kind_of(file.name, b"") for file in release.packed}
    if Kind.PROGRAM in kinds:
        return f"this release contains only a program (“{largest}”), and no film"
    if any(
        container_of(name, b"") and is_sample(name, directory, size_bytes, release_bytes)
        for name, directory, size_bytes in sizes
    ):
        return "this release contains only a sample of the film"
    return f"this release contains no film; its largest file is “{largest}”"


def _description(
    film: Film,
    file: VirtualFile,
    texts: Sequence[TextBeside],
    posted: Sequence[PostedFile],
    sets: Sequence[Protection],
) -> Description:
    needs = _needs({extent.file for extent in file.spans(0, file.size_bytes)}, sets)
    return Description(
        **msgspec.structs.asdict(needs),
        film=file,
        container=film.container,
        content_type=CONTENT_TYPES[film.container],
        names={file.index: file.name for file in posted},
        texts=texts,
    )


def _needs(needed: set[int], sets: Sequence[Protection]) -> Needs:
    """With the set that protects most of these files."""
    protecting = [one for one in sets if one.protected.keys() & needed]
    protection = max(
        protecting,
        key=lambda one: (len(one.protected.keys() & needed), one.recovery_bytes),
        default=None,
    )
    return Needs(
        needed_files=sorted(needed),
        par2=protection.par2 if protection else None,
        protected=protection.protected if protection else {},
        recovery_files=protection.recovery_files if protection else [],
    )
