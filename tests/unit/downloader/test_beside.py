"""Which files of a release are texts of its film."""

from libs.common.media import Text
from services.downloader.archives.parts import Part
from services.downloader.beside import BYTES_MAX, TEXTS_MAX, texts_beside
from services.downloader.extents import Extent, VirtualFile


def parts(*sized: tuple[str, int]) -> list[Part]:
    made: list[Part] = []
    for number, (path, size_bytes) in enumerate(sized):
        directory, _, name = path.rpartition("/")
        extents = [Extent(number, 0, size_bytes)]
        made.append(Part(name=name, directory=directory, size_bytes=size_bytes, extents=extents))
    return made


def found(*sized: tuple[str, int]) -> list[tuple[str, Text]]:
    """Beside the first of them."""
    files = parts(*sized)
    return [(one.file.name, one.text) for one in texts_beside(files, files[0], VirtualFile)]


def test_names_tell_what_they_are() -> None:
    assert found(
        ("Film.mkv", 10**9),
        ("Film.en.forced.srt", 1000),
        ("Subs/2_German.ass", 1000),
        ("Film.pt-BR.sdh.vtt", 1000),
        ("Film.nfo", 100),
        ("Film.en.srt.exe", 1000),
    ) == [
        ("Film.en.forced.srt", Text(number=1000, kind="text", language="eng", is_forced=True)),
        ("2_German.ass", Text(number=1001, kind="ass", language="ger")),
        (
            "Film.pt-BR.sdh.vtt",
            Text(number=1002, kind="text", language="por", title="Brazil", is_for_hearing_impaired=True),
        ),
    ]


def test_those_of_another_film_pictures_and_the_absurd_are_left_out() -> None:
    texts = found(
        ("Show.S01E01.mkv", 10**9),
        ("Show.S01E10.mkv", 10**9),
        ("Show.S01E01.en.srt", 1000),
        ("Show.S01E10.en.srt", 1000),
        ("Show.S01E10/2_English.srt", 1000),
        ("Show.S01E01/3_English.srt", 1000),
        ("pictures.sub", 1000),
        ("pictures.idx", 1000),
        ("huge.srt", BYTES_MAX + 1),
        ("empty.srt", 0),
    )
    assert [name for name, _ in texts] == ["Show.S01E01.en.srt", "3_English.srt"]


def test_no_more_than_a_menu_can_show() -> None:
    texts = found(("film.mkv", 10**9), *((f"{n}_English.srt", 100) for n in range(500)))
    assert len(texts) == TEXTS_MAX
