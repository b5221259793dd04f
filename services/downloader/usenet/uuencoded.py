"""Parts that were uuencoded, as posts were before yEnc: they say neither where they belong nor how large
their file is, and have no checksum. The order of the articles and the parts' lengths must do.

A poster cuts a file into parts of the same number of lines, so that the first part's length is that of every
other one but the last, and the last one's tells the file's size. A part of another length is refused; a byte
that changed on its way is not noticed here.
"""

from typing import Final

import msgspec
import sabctools

from services.downloader.usenet.articles import PART_BYTES_MAX, PartRefused

LINE_BYTES: Final = 45
"""What a full line holds; only a file's last line may hold less."""


class BarePart(msgspec.Struct, frozen=True):
    """A part by its length; whether it has the line that begins the file, and the one that ends it."""

    length: int
    begins: bool
    ends: bool


def is_uuencoded(response: sabctools.NNTPResponse) -> bool:
    return response.data is not None and response.format == sabctools.EncodingFormat.UU


def bare_part(response: sabctools.NNTPResponse) -> BarePart:
    """What an answer holds that is uuencoded. Raises `PartRefused` if it can't be whole."""
    part = BarePart(
        length=response.bytes_decoded, begins=bool(response.file_name), ends=response.file_size > 0
    )
    if response.baddata:
        raise PartRefused("the article is damaged: it has lines that are not uuencoded")
    if not 0 < part.length <= PART_BYTES_MAX or (not part.ends and part.length % LINE_BYTES):
        raise PartRefused("the article is damaged: it ends in the middle of a line")
    return part
