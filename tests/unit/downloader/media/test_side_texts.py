"""Files beside a film, read when somebody asks for them."""

from collections.abc import Sequence

import pytest

from libs.common.media import Text
from services.downloader.beside import TextBeside
from services.downloader.errors import BytesLost
from services.downloader.extents import Extent, VirtualFile
from services.downloader.media.messages import Convert
from services.downloader.media.parts import Ending
from services.downloader.media.process import MediaFailed, NotToBeHad, ProcessDied
from services.downloader.media.side_texts import SideTexts
from services.downloader.source import Urgency


class Files:
    """Posted files; those that are None are lost."""

    def __init__(self, *files: bytes | None) -> None:
        self._files = files

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:
        data = self._files[file]
        if data is None:
            raise BytesLost("it is gone")
        return data[offset : offset + length]


class Converter:
    def __init__(self) -> None:
        self.asked: list[Convert] = []

    async def __call__(self, question: Convert) -> bytes:
        self.asked.append(question)
        if question.data == b"deadly":
            raise ProcessDied("it died")
        return question.data.upper()


def beside(names: Sequence[str], size_bytes: int = 6) -> list[TextBeside]:
    return [
        TextBeside(
            text=Text(number=1000 + n, kind="ass" if name.endswith("ass") else "text", language="fre"),
            file=VirtualFile(name, [Extent(n, 0, size_bytes)]),
        )
        for n, name in enumerate(names)
    ]


async def test_each_is_made_once() -> None:
    convert = Converter()
    texts = SideTexts(Files(b"bonjou", b"script"), convert)
    texts.put(beside(["a.srt", "b.ass"]))
    assert [await texts.get(1000, "vtt") for _ in range(2)] == [b"BONJOU"] * 2
    assert await texts.get(1001, "ass") == b"SCRIPT"
    assert [(one.language, one.is_script) for one in convert.asked] == [("fre", False), ("fre", True)]
    missing: list[tuple[int, Ending]] = [(1000, "ass"), (1002, "vtt"), (0, "vtt")]
    for number, ending in missing:
        with pytest.raises(NotToBeHad):
            await texts.get(number, ending)


async def test_what_is_found_later_takes_no_number_that_is_known() -> None:
    texts = SideTexts(Files(b"first.", b"second"), Converter())
    first, second = beside(["a.srt", "b.srt"])
    assert texts.put([second])
    before = texts.texts
    assert texts.put([first, second])
    assert [text.number for text in texts.texts] == [1000, 1001]
    assert texts.texts[:1] == before
    assert await texts.get(1000, "vtt") == b"SECOND"
    assert not texts.put([first, second])


async def test_lost_bytes_may_come_later_and_a_deadly_file_is_not_read_again() -> None:
    convert = Converter()
    texts = SideTexts(Files(None, b"deadly"), convert)
    texts.put(beside(["a.srt", "b.srt"]))
    for _ in range(2):
        with pytest.raises(MediaFailed, match="gone"):
            await texts.get(1000, "vtt")
    with pytest.raises(ProcessDied):
        await texts.get(1001, "vtt")
    with pytest.raises(NotToBeHad):
        await texts.get(1001, "vtt")
    assert len(convert.asked) == 1
