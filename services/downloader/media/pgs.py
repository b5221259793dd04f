"""Presentation Graphic Streams (Blu-ray's subtitles as pictures), as the `.sup` file that players read.

A container's packet is a run of segments: type (1 byte), length (2), content. In a file each has a head
before it: "PG", its time and its decoding time in 1/90,000 s (US 2009/0185789; libpgs reads the same).
"""

import struct
from typing import Final

BYTES_MAX: Final = 256 << 20
"""Of one track: a film of three hours has some 60 MB."""
_HEAD: Final = struct.Struct(">2sII")
_SEGMENT: Final = struct.Struct(">BH")
_TYPES: Final = frozenset({0x14, 0x15, 0x16, 0x17, 0x80})
_CLOCK_MAX: Final = 0xFFFF_FFFF


def framed(packet: bytes, at_ms: int) -> bytes:
    """The packet's whole segments, each with its head; what is no segment ends it."""
    parts: list[bytes] = []
    clock = min(max(at_ms, 0) * 90, _CLOCK_MAX)
    at = 0
    while at + _SEGMENT.size <= len(packet):
        kind, length = _SEGMENT.unpack_from(packet, at)
        end = at + _SEGMENT.size + length
        if kind not in _TYPES or end > len(packet):
            break
        parts += [_HEAD.pack(b"PG", clock, 0), packet[at:end]]
        at = end
    return b"".join(parts)
