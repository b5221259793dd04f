"""Names as they come from outside: archive entries, par2 packets, posts. All of them are hostile."""

import unicodedata

MAX_NAME_BYTES = 255
"""What a file system takes as one name; a longer one loses its middle, so that its extension stays."""


def base_name(foreign: str) -> str:
    """The last component of a foreign name, fit for showing and for its extension; empty if nothing is left.

    Never a path: separators of both worlds are cut at, "." and ".." are nothing, and characters that are
    invisible or turn the writing direction (Unicode categories C*) are dropped.
    """
    last = foreign.replace("\\", "/").rstrip("/").rpartition("/")[2]
    # A name long enough to be an attack is cut before it costs anything; the limit below counts bytes.
    last = last if len(last) <= 4 * MAX_NAME_BYTES else last[:MAX_NAME_BYTES] + last[-MAX_NAME_BYTES:]
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    return "" if shown in {".", ".."} else _shortened(shown)


def extension(name: str) -> str:
    """The extension in lower case and without its dot; empty if there is none."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem else ""


def _shortened(name: str) -> str:
    encoded = name.encode()
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    half = MAX_NAME_BYTES // 2
    return (encoded[:half].decode(errors="ignore") + encoded[-half:].decode(errors="ignore")).strip()
