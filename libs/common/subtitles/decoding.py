"""Bytes of a subtitle file as text, in whatever encoding its maker's computer had."""

import codecs
from collections.abc import Mapping
from typing import Final

from charset_normalizer import from_bytes

from libs.common.subtitles.cues import NoSubtitles

FILE_BYTES_MAX: Final = 8 << 20
"""A large ASS script, with its typesetting; SubRip files have some 100 KB."""
_SAMPLE_BYTES: Final = 8 << 10
"""Guessing reads so much of what is not ASCII: it takes some 100 ms."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OF_LANGUAGES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("rus", "ukr", "bul", "srp", "mac", "bel"), ("cp1251",)),
    **dict.fromkeys(("pol", "cze", "slo", "hun", "hrv", "slv", "rum", "bos", "alb"), ("cp1250",)),
    **dict.fromkeys(("gre",), ("cp1253", "iso8859_7")),
    **dict.fromkeys(("tur",), ("cp1254",)),
    **dict.fromkeys(("heb",), ("cp1255",)),
    **dict.fromkeys(("ara", "per", "urd"), ("cp1256",)),
    **dict.fromkeys(("est", "lav", "lit"), ("cp1257",)),
    **dict.fromkeys(("vie",), ("cp1258",)),
    **dict.fromkeys(("tha",), ("cp874",)),
    **dict.fromkeys(("chi",), ("gb18030", "big5")),
    **dict.fromkeys(("jpn",), ("cp932", "euc_jp")),
    **dict.fromkeys(("kor",), ("cp949",)),
    **dict.fromkeys(
        ("eng", "ger", "fre", "spa", "por", "ita", "dut", "swe", "dan", "nor", "fin", "ice"), ("cp1252",)
    ),
}
_LIKELY: Final = sorted({name for names in _OF_LANGUAGES.values() for name in names})


def decoded(data: bytes, language: str | None = None) -> str:
    """The text with `\\n` as the end of lines. `language` (ISO 639-2/B) says which old encodings are likely.

    Raises NoSubtitles for what is too large. Never fails on bytes: the last resort is Western European.
    """
    if len(data) > FILE_BYTES_MAX:
        raise NoSubtitles(
            f"The subtitle file is too large ({len(data):,} bytes); {FILE_BYTES_MAX:,} are read."
        )
    text = data.decode(encoding(data, language), errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def encoding(data: bytes, language: str | None = None) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    if wide := _wide(data):
        return wide
    if _reads(data, "utf-8"):
        return "utf-8"
    for name in _OF_LANGUAGES.get(language or "", ()):
        if _reads(data, name):
            return name
    best = from_bytes(_foreign(data), cp_isolation=_LIKELY).best()
    return best.encoding if best is not None else "cp1252"


def lenient(data: bytes, language: str | None = None) -> str:
    """One cue's text: UTF-8 as containers want it, else what is likely for the language. Never fails."""
    for name in ("utf-8", *_OF_LANGUAGES.get(language or "", ())):
        if _reads(data, name):
            return data.decode(name)
    return data.decode("cp1252", errors="replace")


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of the times and the spaces is 0."""
    sample = data[: 4 << 10]
    pairs = len(sample) // 2
    if pairs < 8:
        return None
    if sample[1::2].count(0) > pairs * 0.2 and sample[0::2].count(0) < pairs * 0.05:
        return "utf-16-le"
    if sample[0::2].count(0) > pairs * 0.2 and sample[1::2].count(0) < pairs * 0.05:
        return "utf-16-be"
    return None


def _reads(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _foreign(data: bytes) -> bytes:
    """The lines in which anything is not ASCII, and so tells something."""
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    return b"\n".join(lines)[:_SAMPLE_BYTES]
