"""What a posted or packed file is, by its first bytes, and by its name where those are not to be had."""

import re
from enum import Enum

from .archives.names import extension
from .archives.numbering import numeric_place
from .archives.rar import RAR5_SIGNATURE
from .archives.rar4 import SIGNATURE as RAR4_SIGNATURE
from .repair.packets import MAGIC as PAR2_MAGIC

CONTENT_TYPES = {
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "ts": "video/mp2t",
    "m2ts": "video/mp2t",
    "mpg": "video/mpeg",
    "wmv": "video/x-ms-wmv",
    "flv": "video/x-flv",
    "ogv": "video/ogg",
}
"""The containers that may be a film, and their media types."""

_ALIASES = {
    "mpeg": "mpg",
    "vob": "mpg",
    "m2v": "mpg",
    "mts": "m2ts",
    "divx": "avi",
    "asf": "wmv",
    "ogm": "ogv",
}
_PROGRAMS = frozenset(
    {"exe", "msi", "scr", "bat", "cmd", "com", "lnk", "vbs", "ps1", "js", "jar", "apk", "sh", "dmg"}
)
_SAMPLE = re.compile(r"(?<![a-z])sample(?![a-z])", re.IGNORECASE)
_EXTRAS = (
    r"(?:trailers?|featurettes?|extras?|bonus|behind[ ._-]the[ ._-]scenes|deleted[ ._-]scenes?|interviews?"
    r"|making[ ._-]of|bloopers?|gag[ ._-]reel|shorts?|scenes?)"
)
_EXTRA_NAME = re.compile(rf"[ ._-]{_EXTRAS}[ ._-]?\d{{0,2}}\.[a-z0-9]{{2,4}}$", re.IGNORECASE)
_EXTRA_DIRECTORY = re.compile(rf"{_EXTRAS}(?:[ ._-].*)?", re.IGNORECASE)
SEVEN_ZIP_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
ZIP_SIGNATURE = b"PK\x03\x04"
_TS_PACKET_BYTES, _M2TS_PACKET_BYTES = 188, 192


class Kind(Enum):
    VIDEO = "video"
    PAR2 = "par2"
    RAR = "rar"
    ZIP = "zip"
    SEVEN_ZIP = "7z"
    PIECE = "piece"
    """Of a film or an archive that was cut by size: name.mkv.001."""
    PROGRAM = "program"
    OTHER = "other"


ARCHIVES = frozenset({Kind.RAR, Kind.ZIP, Kind.SEVEN_ZIP, Kind.PIECE})


def container_of(name: str, head: bytes) -> str | None:
    """The container (a key of CONTENT_TYPES) of a file that may be a film; None if it is none.

    Bytes are believed before names: the name only decides between relatives (mkv and webm, mp4 and mov), and
    says everything if there is no head.
    """
    named = _ALIASES.get(extension(name), extension(name))
    if not head:
        return named if named in CONTENT_TYPES else None
    family = _family(head)
    return named if named in family else next(iter(family), None)


def kind_of(name: str, head: bytes) -> Kind:
    """The kind of a posted file. `head` is its first bytes, empty if they are lost."""
    if head.startswith(PAR2_MAGIC):
        return Kind.PAR2
    if head.startswith((RAR5_SIGNATURE, RAR4_SIGNATURE)):
        return Kind.RAR
    if numeric_place(name):
        return Kind.PIECE
    if head.startswith(SEVEN_ZIP_SIGNATURE):
        return Kind.SEVEN_ZIP
    if head.startswith(ZIP_SIGNATURE) and extension(name) not in _PROGRAMS:
        return Kind.ZIP
    if head.startswith((b"MZ", b"\x7fELF", b"#!")):
        return Kind.PROGRAM
    if container_of(name, head):
        return Kind.VIDEO
    if extension(name) in _PROGRAMS:
        return Kind.PROGRAM
    return Kind.OTHER if head else _BY_EXTENSION.get(extension(name), Kind.OTHER)


def says_sample(name: str, directory: str = "") -> bool:
    """Whether a name has "sample" as a word of its own."""
    return any(_SAMPLE.search(text) for text in (name, directory))


def says_extra(name: str, directory: str = "") -> bool:
    """Whether a name says that it comes with a film: a trailer, a featurette, deleted scenes …

    Only the end of a name counts, as those words may be in a film's title; of a directory all of it.
    """
    return bool(_EXTRA_NAME.search(name) or _EXTRA_DIRECTORY.fullmatch(directory))


_BY_EXTENSION = {
    "par2": Kind.PAR2,
    "rar": Kind.RAR,
    **{f"{letter}{number:02}": Kind.RAR for letter in "rs" for number in range(100)},
    "7z": Kind.SEVEN_ZIP,
    "zip": Kind.ZIP,
}


def _family(head: bytes) -> tuple[str, ...]:
    """The containers that begin like this, the likeliest first."""
    if head.startswith(b"\x1aE\xdf\xa3"):
        return ("webm", "mkv") if b"webm" in head[:64] else ("mkv", "webm")
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
        return ("mov", "mp4", "m4v") if head[8:12] == b"qt  " else ("mp4", "m4v", "mov")
    for magic, at, family in _MAGICS:
        if head[at:].startswith(magic):
            return family
    if _repeats(head, 0, _TS_PACKET_BYTES):
        return ("ts", "m2ts")
    if _repeats(head, 4, _M2TS_PACKET_BYTES):
        return ("m2ts", "ts")
    return ()


_MAGICS = (
    (b"AVI ", 8, ("avi",)),
    (b"\x00\x00\x01\xba", 0, ("mpg",)),
    (b"\x00\x00\x01\xb3", 0, ("mpg",)),
    (bytes.fromhex("3026b2758e66cf11"), 0, ("wmv",)),
    (b"FLV\x01", 0, ("flv",)),
    (b"OggS", 0, ("ogv",)),
)


def _repeats(head: bytes, first: int, packet_bytes: int) -> bool:
    """The sync byte of a transport stream, at the beginning of each of its first packets."""
    syncs = head[first : first + 5 * packet_bytes : packet_bytes]
    return len(syncs) > 1 and set(syncs) == {0x47}
