"""Which files of a release are subtitles of its film, and what their names say. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from libs.common.media import Text
from libs.common.subtitles.decoding import FILE_BYTES_MAX
from libs.common.subtitles.names import ENDINGS, described
from services.downloader.kinds import CONTENT_TYPES

SIDE_FILES_MAX: Final = 40


class SideFile(msgspec.Struct, frozen=True, kw_only=True):
    place: int
    """In the list that was given."""
    text: Text
    """Kind `ass` for .ass and .ssa, else `text`."""


def side_files(files: Sequence[tuple[str, int]], film: str, first_number: int) -> tuple[SideFile, ...]:
    """`files`: paths and sizes of all that is in the release; `film`: the path of what is shown.

    Numbered from `first_number` on (behind the film's own tracks). Those that belong to another film of the
    release by their names, pictures (.sub beside .idx) and files too large to be a text are left out.
    """
    paths = [path for path, _ in files]
    rivals = {_stem(path) for path in paths if _ending(path) in CONTENT_TYPES} - {_stem(film)}
    pictured = {_stem(path) for path in paths if _ending(path) == "idx"}
    found: list[SideFile] = []
    for place, (path, size_bytes) in enumerate(files):
        ending = _ending(path)
        if ending not in ENDINGS or not 0 < size_bytes <= FILE_BYTES_MAX or len(found) == SIDE_FILES_MAX:
            continue
        if (ending == "sub" and _stem(path) in pictured) or _is_of(path, rivals, _stem(film)):
            continue
        named = described(path, film)
        text = Text(
            number=first_number + len(found),
            kind="ass" if ending in ("ass", "ssa") else "text",
            language=named.language,
            title=named.title,
            is_forced=named.is_forced,
            is_for_hearing_impaired=named.is_for_hearing_impaired,
        )
        found.append(SideFile(place=place, text=text))
    return tuple(found)


def _is_of(path: str, rivals: set[str], film: str) -> bool:
    """Named after another film, or in a folder that is; the longest name that fits decides."""
    parts = [_stem(path), *path.replace("\\", "/").casefold().split("/")[:-1]]
    fitting = [name for name in (*rivals, film) if name and any(part.startswith(name) for part in parts)]
    return bool(fitting) and max(fitting, key=len) != film


def _stem(path: str) -> str:
    base = path.replace("\\", "/").rpartition("/")[2].casefold()
    stem, dot, _ = base.rpartition(".")
    return stem if dot else base


def _ending(path: str) -> str:
    return path.rpartition(".")[2].casefold()
