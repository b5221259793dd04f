"""The file name that a poster put into a subject line.

There is no standard, only habit: `[01/10] - "name.ext" yEnc (1/20) 12345`, or the same without quotes. A name
found here is a hint: the part header's name is better, and par2's is proof.
"""

import re

NAME_LENGTH_MAX = 255
"""The longest name a common file system takes; longer ones are cut."""

_QUOTED = re.compile(r'"([^"]+)"')
_PART_COUNTER = re.compile(r"\s*(?:\byEnc\b.*|\(\d+/\d+\).*)$", re.IGNORECASE)
_FILE_COUNTER = re.compile(r"[\[(]\d+/\d+[\])]")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")


def name_in_subject(subject: str) -> str:
    """The posted file's name, or "" if the subject shows none. Never a path, always printable."""
    quoted = [found.strip() for found in _QUOTED.findall(subject)]
    for candidate in quoted:
        if _EXTENSION.search(candidate):
            return clean_name(candidate)
    if quoted:
        return clean_name(quoted[0])
    return clean_name(_unquoted(subject))


def clean_name(name: str) -> str:
    """The last component of what may be a path, printable, at most NAME_LENGTH_MAX characters."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(character for character in last if character.isprintable()).strip()
    return "" if shown in {".", ".."} else shown[:NAME_LENGTH_MAX]


def _unquoted(subject: str) -> str:
    before = _PART_COUNTER.sub("", subject)
    counted = _FILE_COUNTER.split(before)
    candidate = counted[-1].strip(" -") if len(counted) > 1 else before.split(" ")[-1]
    return candidate if _EXTENSION.search(candidate) else ""
