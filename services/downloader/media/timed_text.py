"""MP4's timed text (3GPP TS 26.245 §5.17): a text, and boxes that say which of its characters look how."""

import struct
from typing import Final

from libs.common.subtitles.markup import Marked, from_spans, from_subrip

_BOX: Final = struct.Struct(">I4s")
_STYLE: Final = struct.Struct(">HHHB")
_STYLE_BYTES: Final = 12
_STYLES_MAX: Final = 100
_FACES: Final = ((1, "b"), (2, "i"), (4, "u"))


def marked(sample: bytes) -> Marked:
    """The sample's text as WebVTT cue text; empty for a sample that only ends the one before."""
    length = int.from_bytes(sample[:2], "big")
    text = _text(sample[2 : 2 + length])
    styles = _styles(sample[2 + length :])
    # Without styles, what looks like a tag was meant as one.
    return from_spans(_spans(text, styles)) if styles else from_subrip(text)


def _text(data: bytes) -> str:
    is_wide = data[:2] in (b"\xfe\xff", b"\xff\xfe")
    return data.decode("utf-16" if is_wide else "utf-8", errors="replace")


def _styles(boxes: bytes) -> list[tuple[int, int, str]]:
    """First character, the one after the last, and the tags."""
    found: list[tuple[int, int, str]] = []
    at = 0
    while at + _BOX.size <= len(boxes):
        size, kind = _BOX.unpack_from(boxes, at)
        if size < _BOX.size or at + size > len(boxes):
            break
        if kind == b"styl":
            records = boxes[at + _BOX.size + 2 : at + size]
            for place in range(
                0, min(len(records), _STYLES_MAX * _STYLE_BYTES) - _STYLE_BYTES + 1, _STYLE_BYTES
            ):
                start, end, _, face = _STYLE.unpack_from(records, place)
                found.append((start, end, "".join(tag for bit, tag in _FACES if face & bit)))
        at += size
    return sorted(found)


def _spans(text: str, styles: list[tuple[int, int, str]]) -> list[tuple[str, str]]:
    spans: list[tuple[str, str]] = []
    at = 0
    for start, end, tags in styles:
        if start < at or end <= start:
            continue
        spans += [(text[at:start], ""), (text[start:end], tags)]
        at = end
    return [*spans, (text[at:], "")]
