"""A track's sample entry, as libav's MP4 muxer writes it, and what can be read in it."""

import io
import struct
from typing import Final

import av
import msgspec
from av.error import FFmpegError
from av.stream import Stream

from .boxes import box, children, descend

_OPTIONS: Final = {"movflags": "empty_moov+default_base_moof+frag_custom", "strict": "-2"}
_PICTURE_ENTRY_BYTES, _SOUND_ENTRY_BYTES = 78, 28
"""What lies before the boxes within a sample entry, ISO/IEC 14496-12 §12.1.3 and §12.2.3."""
_MATRIX_AT = 40


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`stsd` is a whole box, `boxes` are the bodies of those within its entry, by kind."""

    stsd: bytes
    kind: bytes
    boxes: dict[bytes, bytes]
    matrix: bytes
    width_16_16: int
    height_16_16: int


def entry_of(stream: Stream) -> Entry | None:
    """The entry for a track that is copied, None if the codec has no place in MP4."""
    written = io.BytesIO()
    try:
        container = av.open(written, "w", format="mp4", options=dict(_OPTIONS))
        container.add_stream_from_template(stream, opaque=True)
        container.start_encoding()
    except (FFmpegError, ValueError):
        return None
    head = written.getvalue()
    container.close()
    return _read(head)


def converted_entry(rate: int, bits_per_s: int) -> Entry:
    """The entry for AAC-LC stereo as `sound.py` makes it."""
    written = io.BytesIO()
    container = av.open(written, "w", format="mp4", options=dict(_OPTIONS))
    container.add_stream("aac", rate=rate, layout="stereo", bit_rate=bits_per_s)
    container.start_encoding()
    head = written.getvalue()
    container.close()
    entry = _read(head)
    if entry is None:
        raise AssertionError("libav wrote no entry for AAC")
    return entry


def _read(head: bytes) -> Entry | None:
    track_header = descend(head, b"moov", b"trak", b"tkhd")
    described = descend(head, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    if track_header is None or described is None or track_header[0] != 0:
        return None
    kind, body = next(children(described[8:]), (b"", b""))
    skipped = _SOUND_ENTRY_BYTES if kind in (b"mp4a", b"fLaC", b"Opus") else _PICTURE_ENTRY_BYTES
    kind, described = _hvc1(kind, described)
    width, height = struct.unpack_from(">II", track_header, _MATRIX_AT + 36)
    return Entry(
        stsd=box(b"stsd", described),
        kind=kind,
        boxes=dict(children(body[skipped:])),
        matrix=track_header[_MATRIX_AT : _MATRIX_AT + 36],
        width_16_16=width,
        height_16_16=height,
    )


def _hvc1(kind: bytes, described: bytes) -> tuple[bytes, bytes]:
    # Apple's players take HEVC by this name only; libav's muxer says hev1 unless told otherwise.
    return (b"hvc1", described.replace(b"hev1", b"hvc1", 1)) if kind == b"hev1" else (kind, described)


def picture_string(entry: Entry) -> str | None:
    """RFC 6381 and the codecs' own bindings: what a browser is asked whether it plays."""
    boxes = entry.boxes
    if entry.kind == b"avc1" and len(boxes.get(b"avcC", b"")) >= 4:
        return f"avc1.{boxes[b'avcC'][1:4].hex()}"
    if entry.kind == b"hvc1" and len(boxes.get(b"hvcC", b"")) >= 13:
        return _hevc_string(boxes[b"hvcC"])
    if entry.kind == b"av01" and len(boxes.get(b"av1C", b"")) >= 4:
        return _av1_string(boxes[b"av1C"])
    if entry.kind == b"vp09" and len(boxes.get(b"vpcC", b"")) >= 7:
        profile, level, depth = boxes[b"vpcC"][4:7]
        return f"vp09.{profile:02d}.{level:02d}.{depth >> 4:02d}"
    return None


def _hevc_string(record: bytes) -> str:
    """ISO/IEC 14496-15 annex E.3."""
    space, tier, profile = record[1] >> 6, record[1] >> 5 & 1, record[1] & 0x1F
    compatible = int(f"{int.from_bytes(record[2:6]):032b}"[::-1], 2)
    constraints = record[6:12].rstrip(b"\0")
    words = [f"hvc1.{('', 'A', 'B', 'C')[space]}{profile}", f"{compatible:X}", f"{'LH'[tier]}{record[12]}"]
    return ".".join([*words, *(f"{byte:X}" for byte in constraints)])


def _av1_string(record: bytes) -> str:
    """AV1 codec ISO media file format binding §5."""
    profile, level, flags = record[1] >> 5, record[1] & 0x1F, record[2]
    high, twelve = flags >> 6 & 1, flags >> 5 & 1
    depth = 12 if high and twelve and profile == 2 else 10 if high else 8
    return f"av01.{profile}.{level:02d}{'MH'[flags >> 7]}.{depth:02d}"


def is_dolby_vision(entry: Entry) -> bool:
    return any(kind in entry.boxes for kind in (b"dvcC", b"dvvC", b"dvwC"))


def aac_string(extradata: bytes | None) -> str:
    """From AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1: its first five bits say the kind of object."""
    kind = extradata[0] >> 3 if extradata else 2
    return f"mp4a.40.{kind}"
