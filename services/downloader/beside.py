"""Which files of a release are texts of its film, and what their names say. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from libs.common.media import BESIDE_FIRST, Text
from libs.common.subtitles.names import ENDINGS, described

from .archives.parts import Part
from .extents import Extent, VirtualFile
from .kinds import CONTENT_TYPES

TEXTS_MAX: Final = 32
BYTES_MAX: Final = 5_000_000
"""Of one: a large ASS script, with its typesetting; SubRip files have some 100 KB."""


class TextBeside(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the release with words for its film."""

    text: Text
    """Kind `ass` for .ass and .ssa, else `text`."""
    file: VirtualFile


def texts_beside(
    files: Sequence[Part], film: Part, file_of: Callable[[str, Sequence[Extent]], VirtualFile]
) -> tuple[TextBeside, ...]:
    """`files`: all that is in the release; `file_of` makes one readable.

    Left out are those that belong to another film of the release by their names, pictures (.sub beside .idx),
    and files too large to be a text. What is inside of them nobody has looked at.
    """
    paths = [_path(part) for part in files]
    own = _stem(_path(film))
    rivals = {_stem(path) for path in paths if _ending(path) in CONTENT_TYPES} - {own}
    pictured = {_stem(path) for path in paths if _ending(path) == "idx"}
    found: list[TextBeside] = []
    for path, part in zip(paths, files, strict=True):
        ending = _ending(path)
        if ending not in ENDINGS or not 0 < part.size_bytes <= BYTES_MAX or len(found) == TEXTS_MAX:
            continue
        if (ending == "sub" and _stem(path) in pictured) or _is_of(path, rivals, own):
            continue
        text = _text(BESIDE_FIRST + len(found), path, _path(film))
        found.append(TextBeside(text=text, file=file_of(part.name, part.extents)))
    return tuple(found)


def _text(number: int, path: str, film: str) -> Text:
    named = described(path, film)
    return Text(
        number=number,
        kind="ass" if _ending(path) in ("ass", "ssa") else "text",
        language=named.language,
        title=named.title,
        is_forced=named.is_forced,
        is_for_hearing_impaired=named.is_for_hearing_impaired,
    )


def _path(part: Part) -> str:
    path = f"{part.directory}/{part.name}" if part.directory else part.name
    return path.replace("\\", "/")


def _is_of(path: str, rivals: set[str], film: str) -> bool:
    """Named after another film, or in a folder that is; the longest name that fits decides."""
    parts = [_stem(path), *path.casefold().split("/")[:-1]]
    fitting = [name for name in (*rivals, film) if name and any(part.startswith(name) for part in parts)]
    return bool(fitting) and max(fitting, key=len) != film


def _stem(path: str) -> str:
    base = path.rpartition("/")[2].casefold()
    stem, dot, _ = base.rpartition(".")
    return stem if dot else base


def _ending(path: str) -> str:
    return path.rpartition(".")[2].casefold()
