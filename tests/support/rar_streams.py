"""Compressed streams of RAR 4 and 5, written by hand: no free tool makes them.

Only literals are coded, each with as many bits as it has, so a stream isn't smaller than its data; but an
unpacker has to go through tables, blocks and codes all the same. Sources: the format's description for RAR 5,
and what open unpackers read for both.
"""

from collections.abc import Iterable

LITERALS = 255
"""Those of 8 bits, each coded as itself; byte 255 and symbol 256 have one bit more."""
RAR5_CODES = (306, 64, 16, 44)
"""Of the main table, distances, their low bits, and lengths of repeated matches."""
RAR4_CODES = (299, 60, 17, 28)
BLOCK_BYTES = 60_000

Code = tuple[int, int]
"""A value of so many bits."""
_LAST_LITERAL: Code = (0b111111110, 9)
_END_OF_BLOCK: Code = (0b111111111, 9)
"""In RAR 4; in RAR 5 a filter, which is never used here."""


def rar5_stream(data: bytes) -> bytes:
    """What a RAR 5 of any method from 1 to 5 may hold for `data`."""
    starts = range(0, len(data), BLOCK_BYTES) or [0]
    return b"".join(
        _rar5_block(data[at : at + BLOCK_BYTES], first=at == 0, last=at + BLOCK_BYTES >= len(data))
        for at in starts
    )


def rar4_stream(data: bytes) -> bytes:
    """What a RAR 4 of any method from 0x31 to 0x35 (version 29) may hold for `data`."""
    no_ppm, new_table, end_of_file = (0, 1), (0, 1), (0, 2)
    return _bits([no_ppm, new_table, *_tables(RAR4_CODES), *_literals(data), _END_OF_BLOCK, end_of_file])


def _rar5_block(data: bytes, *, first: bool, last: bool) -> bytes:
    codes = [*(_tables(RAR5_CODES) if first else []), *_literals(data)]
    used_bits = (sum(length for _, length in codes) - 1) % 8
    body = _bits(codes)
    size = len(body).to_bytes(3, "little")
    flags = used_bits | 2 << 3 | last << 6 | first << 7
    check = 0x5A ^ flags ^ size[0] ^ size[1] ^ size[2]
    return bytes([flags, check]) + size + body


def _literals(data: bytes) -> list[Code]:
    return [(byte, 8) if byte < LITERALS else _LAST_LITERAL for byte in data]


def _tables(codes: tuple[int, ...]) -> list[Code]:
    """The lengths of all codes: themselves coded, an 8 with one bit, a 9 and a run of zeros with two."""
    lengths = [({8: 1, 9: 2, 19: 2}.get(symbol, 0), 4) for symbol in range(20)]
    eight, nine, run_of_zeros = (0b0, 1), (0b10, 2), (0b11, 2)
    zeros = sum(codes) - LITERALS - 2
    # One run has 11 to 138 of them.
    runs = [zeros // 2, zeros - zeros // 2]
    told = [code for run in runs for code in (run_of_zeros, (run - 11, 7))]
    return [*lengths, *[eight] * LITERALS, nine, nine, *told]


def _bits(codes: Iterable[Code]) -> bytes:
    """The codes one after the other, their highest bits first."""
    out, pending, held = bytearray(), 0, 0
    for value, length in codes:
        pending, held = pending << length | value, held + length
        while held >= 8:
            held -= 8
            out.append(pending >> held)
            pending &= (1 << held) - 1
    if held:
        out.append(pending << 8 - held & 0xFF)
    return bytes(out)
