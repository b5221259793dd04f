"""What 7-Zip's technical listing says of an archive's entries. Pure.

Source: `7zz l -slt -ba`: a line "Name = value" for each property, an empty line after each entry. 7-Zip shows
control characters in names as "_", so that a name can't forge a line; a comment of several lines stands
between braces.
"""

from collections.abc import Iterable

import msgspec

from services.downloader.archives.reading import MAX_ENTRIES
from services.downloader.errors import ArchiveRefused

MAX_LISTING_BYTES = 32 << 20
"""Some 1.5 KiB for each of MAX_ENTRIES."""
MAX_DIGITS = 20
"""Of a size: 7-Zip counts with 64 bits."""
MODE_LETTERS = len("-rw-r--r--")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file."""

    path: str
    """As 7-Zip calls it; good for asking 7-Zip for it, and never a path of ours."""
    size_bytes: int


def entries(said: str) -> list[Entry]:
    """The regular files of a listing, in the archive's order, which is the order they are unpacked in.

    Directories and links of all kinds are left out. Raises `ArchiveRefused` for more than MAX_ENTRIES.
    """
    found: list[Entry] = []
    for facts in _blocks(said.split("\n")):
        if len(found) >= MAX_ENTRIES:
            raise ArchiveRefused(f"the archive holds more than {MAX_ENTRIES} files")
        path, size = facts.get("Path", ""), facts.get("Size", "")
        if path and size.isdecimal() and len(size) <= MAX_DIGITS and _is_regular(facts):
            found.append(Entry(path=path, size_bytes=int(size)))
    return found


def _blocks(lines: Iterable[str]) -> Iterable[dict[str, str]]:
    facts: dict[str, str] = {}
    in_comment = False
    for line in lines:
        if line in "{}":
            in_comment = line == "{" or (in_comment and line == "")
        if in_comment:
            continue
        if not line and facts:
            yield facts
            facts = {}
        name, is_fact, value = line.partition(" = ")
        if is_fact:
            facts.setdefault(name, value)
    if facts:
        yield facts


def _is_regular(facts: dict[str, str]) -> bool:
    links = ("Symbolic Link", "Hard Link", "Copy Link")
    if facts.get("Folder") == "+" or any(facts.get(link) for link in links):
        return False
    # "A -rw-r--r--", "D drwxr-xr-x", "V 01800000 0rw-------" of a mode without a type, "A" without a mode.
    words = facts.get("Attributes", "").split()
    mode = words.pop() if words and len(words[-1]) == MODE_LETTERS else "-"
    return mode[0] in "-0" and not (words and "D" in words[0])
