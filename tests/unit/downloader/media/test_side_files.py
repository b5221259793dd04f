from libs.common.media import Text
from libs.common.subtitles.decoding import FILE_BYTES_MAX
from services.downloader.media.side_files import SIDE_FILES_MAX, side_files


def test_the_texts_of_the_film_are_numbered_behind_its_tracks() -> None:
    files = [
        ("Film/Film.mkv", 10**9),
        ("Film/Film.en.forced.srt", 1000),
        ("Film/Subs/2_German.ass", 1000),
        ("Film/Film.nfo", 100),
    ]
    found = side_files(files, "Film/Film.mkv", 3)
    assert [(side.place, side.text) for side in found] == [
        (1, Text(number=3, kind="text", language="eng", is_forced=True)),
        (2, Text(number=4, kind="ass", language="ger")),
    ]


def test_those_of_another_film_pictures_and_the_absurd_are_left_out() -> None:
    files = [
        ("Show.S01E01.mkv", 10**9),
        ("Show.S01E10.mkv", 10**9),
        ("Show.S01E01.en.srt", 1000),
        ("Show.S01E10.en.srt", 1000),
        ("Subs/Show.S01E10/2_English.srt", 1000),
        ("Subs/Show.S01E01/2_English.srt", 1000),
        ("pictures.sub", 1000),
        ("pictures.idx", 1000),
        ("huge.srt", FILE_BYTES_MAX + 1),
        ("empty.srt", 0),
    ]
    assert [side.place for side in side_files(files, "Show.S01E01.mkv", 0)] == [2, 5]


def test_no_more_than_a_menu_can_show() -> None:
    files = [(f"{n}_English.srt", 100) for n in range(500)]
    assert len(side_files(files, "film.mkv", 0)) == SIDE_FILES_MAX
