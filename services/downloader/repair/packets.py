"""PAR2 packets: what a recovery set says about the files it protects.

Source: "Parity Volume Set Specification 2.0" (2003). A par2 file is packets in any order, each with its own
MD5; those that describe the set are repeated in every volume, so any volume can tell names and sizes.
"""

import hashlib
import mmap
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from services.downloader.errors import ArchiveRefused

MAGIC = b"PAR2\x00PKT"
HEADER_BYTES = 64
"""Magic, length of the whole packet, MD5 from here on, set id, type."""

MAX_SLICES = 32768
"""A set has no more input slices than that: the specification's 16-bit field."""
MAX_SLICE_BYTES = 256 << 20
"""A recovery packet is held in memory; posts have slices from 0.3 MB to some 50 MB."""
MAX_FILE_BYTES = 1 << 50
MAX_CRITICAL_BYTES = 1 << 20
"""Main and checksum packets list up to MAX_SLICES files or slices of at most 20 bytes each: 640 KiB."""

CHECKSUM_BYTES = 20
"""Of one slice: MD5 and CRC-32."""
_HASHED_TOO_OFTEN = 4
"""Overlapping packets with wrong MD5s are an attack; hashing stops after this many times the bytes given."""


class Kind:
    MAIN = b"PAR 2.0\x00Main\x00\x00\x00\x00"
    FILE = b"PAR 2.0\x00FileDesc"
    CHECKSUMS = b"PAR 2.0\x00IFSC\x00\x00\x00\x00"
    RECOVERY = b"PAR 2.0\x00RecvSlic"
    CREATOR = b"PAR 2.0\x00Creator\x00"


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """A packet whose MD5 is right. Its body is bytes `start` to `end` (excluded) of what it was found in."""

    kind: bytes
    set_id: bytes
    start: int
    end: int


class Par2File(msgspec.Struct, frozen=True, kw_only=True):
    file_id: bytes
    name: str
    """As the set has it: hostile, perhaps a path; bytes that are no UTF-8 are lone surrogates."""
    size_bytes: int
    md5: bytes
    md5_16k: bytes
    """Of the first 16 KiB, or of the whole file if it is smaller."""
    checksums: bytes
    """MD5 and CRC-32 of each slice, 20 bytes each; the last slice is padded with zeros. Empty if not told."""

    @property
    def slice_crcs(self) -> list[int]:
        checksums = self.checksums
        return [
            int.from_bytes(checksums[at - 4 : at], "little")
            for at in range(CHECKSUM_BYTES, len(checksums) + 1, CHECKSUM_BYTES)
        ]


class Par2Set(msgspec.Struct, frozen=True, kw_only=True):
    """What is protected, in slices of `slice_bytes`. The order of `files` is that of the recovery's sums."""

    set_id: bytes
    slice_bytes: int
    files: Mapping[bytes, Par2File]
    recovery_blocks: int
    """Different recovery blocks in the bytes this was parsed from."""
    creator: str = ""


Buffer = bytes | mmap.mmap


def packets(data: Buffer) -> Iterator[Packet]:
    """The packets in `data` that are whole and have the right MD5, wherever they begin.

    Damage between and in them is passed over. Raises `ArchiveRefused` for packets made to be hashed for ever.
    """
    allowance = _HASHED_TOO_OFTEN * len(data)
    at = data.find(MAGIC)
    with memoryview(data) as view:
        while at >= 0:
            length = int.from_bytes(view[at + 8 : at + 16], "little")
            end = at + length
            kind = bytes(view[at + 48 : at + HEADER_BYTES])
            if not _plausible(length, kind) or end > len(data):
                at = data.find(MAGIC, at + len(MAGIC))
                continue
            allowance -= length
            if allowance < 0:
                raise ArchiveRefused("a par2 file is made of packets that overlap; it is not usable")
            md5 = hashlib.md5(view[at + 32 : end], usedforsecurity=False).digest()
            if md5 != bytes(view[at + 16 : at + 32]):
                at = data.find(MAGIC, at + len(MAGIC))
                continue
            yield Packet(
                kind=kind,
                set_id=bytes(view[at + 32 : at + 48]),
                start=at + HEADER_BYTES,
                end=end,
            )
            at = data.find(MAGIC, end)


def parse(data: bytes) -> Par2Set:
    """The set that the first main packet in `data` describes; packets of other sets are passed over.

    Raises `ArchiveRefused` if the description is not complete here (another volume may have it) or lies.
    """
    found = list(packets(data))
    main = next((packet for packet in found if packet.kind == Kind.MAIN), None)
    if main is None:
        raise ArchiveRefused("a par2 file does not say what it protects")
    slice_bytes, file_ids = _main(data[main.start : main.end])
    bodies: dict[bytes, dict[bytes, bytes]] = {Kind.FILE: {}, Kind.CHECKSUMS: {}}
    exponents: set[bytes] = set()
    creator = ""
    for packet in found:
        if packet.set_id != main.set_id:
            continue
        if packet.kind in bodies:
            bodies[packet.kind][data[packet.start : packet.start + 16]] = data[packet.start + 16 : packet.end]
        elif packet.kind == Kind.RECOVERY:
            exponents.add(data[packet.start : packet.start + 4])
        elif packet.kind == Kind.CREATOR:
            creator = data[packet.start : packet.end][:200].decode(errors="replace").rstrip("\x00")
    files = [
        _file(
            file_id,
            bodies[Kind.FILE].get(file_id, b""),
            bodies[Kind.CHECKSUMS].get(file_id, b""),
            slice_bytes,
        )
        for file_id in file_ids
    ]
    if sum(-(-file.size_bytes // slice_bytes) for file in files) > MAX_SLICES:
        raise ArchiveRefused(f"a par2 file says it protects more than {MAX_SLICES} slices")
    return Par2Set(
        set_id=main.set_id,
        slice_bytes=slice_bytes,
        files={file.file_id: file for file in files},
        recovery_blocks=len(exponents),
        creator=creator,
    )


def packed(kind: bytes, set_id: bytes, body: bytes) -> bytes:
    """A packet with its header."""
    hashed = set_id + kind + body
    length = (HEADER_BYTES + len(body)).to_bytes(8, "little")
    return MAGIC + length + hashlib.md5(hashed, usedforsecurity=False).digest() + hashed


def description(par2: Par2Set, names: Sequence[str]) -> bytes:
    """The packets that describe the set, written anew with `names` for its files, in their order."""
    ids = list(par2.files)
    main = par2.slice_bytes.to_bytes(8, "little") + len(ids).to_bytes(4, "little") + b"".join(ids)
    made = [packed(Kind.MAIN, par2.set_id, main)]
    for file, name in zip(par2.files.values(), names, strict=True):
        encoded = name.encode()
        body = file.file_id + file.md5 + file.md5_16k + file.size_bytes.to_bytes(8, "little") + encoded
        made.append(packed(Kind.FILE, par2.set_id, body + bytes(-len(encoded) % 4)))
        if file.checksums:
            made.append(packed(Kind.CHECKSUMS, par2.set_id, file.file_id + file.checksums))
    return b"".join(made)


def _plausible(length: int, kind: bytes) -> bool:
    limit = MAX_SLICE_BYTES + HEADER_BYTES + 4 if kind == Kind.RECOVERY else MAX_CRITICAL_BYTES
    return HEADER_BYTES < length <= limit and length % 4 == 0


def _main(body: bytes) -> tuple[int, list[bytes]]:
    slice_bytes, count = int.from_bytes(body[:8], "little"), int.from_bytes(body[8:12], "little")
    if not 0 < slice_bytes <= MAX_SLICE_BYTES or slice_bytes % 4:
        raise ArchiveRefused(f"a par2 file has slices of {slice_bytes} bytes")
    file_ids = [body[at : at + 16] for at in range(12, 12 + 16 * min(count, MAX_SLICES), 16)]
    if not 0 < count <= MAX_SLICES or len(file_ids[-1]) < 16 or len(set(file_ids)) < count:
        raise ArchiveRefused("a par2 file has a broken list of files")
    return slice_bytes, file_ids


def _file(file_id: bytes, body: bytes, checksums: bytes, slice_bytes: int) -> Par2File:
    size_bytes, name = int.from_bytes(body[32:40], "little"), body[40:].rstrip(b"\x00")
    if not name:
        raise ArchiveRefused("a par2 file does not describe every file it protects")
    if size_bytes > MAX_FILE_BYTES:
        raise ArchiveRefused("a par2 file protects a file larger than any disk")
    if checksums and len(checksums) != CHECKSUM_BYTES * -(-size_bytes // slice_bytes):
        raise ArchiveRefused("a par2 file has checksums that do not fit the sizes it tells")
    return Par2File(
        file_id=file_id,
        name=name.decode(errors="surrogateescape"),
        size_bytes=size_bytes,
        md5=body[:16],
        md5_16k=body[16:32],
        checksums=checksums,
    )
