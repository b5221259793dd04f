"""Zip archives as Python's zipfile writes them, also in the forms it chooses only for huge files."""

import io
import zipfile
from collections.abc import Iterable


def archive(
    files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED, *, wide: bool = False
) -> bytes:
    """`wide`: with the zip64 fields that only files beyond 4 GiB need."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in files:
            with made.open(name, "w", force_zip64=wide) as member:
                member.write(data)
    return out.getvalue()
