import pytest

from libs.common.subtitles.names import Named, described

FILM = "Big.Film.2020.1080p.WEB-DL.H264-GRP/Big.Film.2020.1080p.WEB-DL.H264-GRP.mkv"
STEM = "Big.Film.2020.1080p.WEB-DL.H264-GRP"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{STEM}.en.srt", Named(language="eng")),
        (f"{STEM}.en.forced.srt", Named(language="eng", is_forced=True)),
        (f"{STEM}.eng.sdh.srt", Named(language="eng", is_for_hearing_impaired=True)),
        (f"{STEM}.en.hi.srt", Named(language="eng", is_for_hearing_impaired=True)),
        (f"{STEM}.hi.srt", Named(language="hin")),
        (f"{STEM}.pt-BR.srt", Named(language="por", title="Brazil")),
        (f"{STEM}.zh-Hant.ass", Named(language="chi", title="Traditional")),
        (f"{STEM}.srt", Named()),
        ("Subs/2_English.srt", Named(language="eng")),
        ("Subs/3_English (SDH).srt", Named(language="eng", is_for_hearing_impaired=True)),
        ("Subs/German/film.srt", Named(language="ger")),
        ("Subs\\French.srt", Named(language="fre")),
        ("ger-forced.sub", Named(language="ger", is_forced=True)),
        ("Big Film - Spanish (Latin).srt", Named(language="spa", title="Latin America")),
        ("The.Italian.Job.mystery.srt", Named()),
        ("en.commentary.srt", Named(language="eng", title="Commentary")),
        ("", Named()),
    ],
)
def test_what_a_name_says(path: str, expected: Named) -> None:
    assert described(path, FILM) == expected
