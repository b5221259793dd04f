import time
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.releases import MAX_NAME_CHARS, Release, parse, quality

FILMS: dict[str, dict[str, Any]] = {
    "The.Paper.Lantern.2021.1080p.BluRay.x264-HOLLOW": {
        "title": "The Paper Lantern",
        "year": 2021,
        "resolution": "1080p",
        "source": "BluRay",
        "codec": "H.264",
        "group": "HOLLOW",
    },
    "Copper.Sky.2019.2160p.UHD.BluRay.REMUX.DV.HDR10Plus.HEVC.TrueHD.7.1.Atmos-NORTHWiND": {
        "title": "Copper Sky",
        "year": 2019,
        "resolution": "2160p",
        "source": "BluRay",
        "codec": "H.265",
        "hdr": ("DV", "HDR10+"),
        "audio": ("TrueHD", "Atmos"),
        "channels": "7.1",
        "group": "NORTHWiND",
        "flags": ("REMUX",),
    },
    "Low Tide (2017) 720p WEBRip x264 AAC - Moth": {
        "title": "Low Tide",
        "year": 2017,
        "resolution": "720p",
        "source": "WEBRip",
        "codec": "H.264",
        "audio": ("AAC",),
        "group": "Moth",
    },
    "Low.Tide.2017.EXTENDED.PROPER.10bit.1080p.WEB-DL.DDP5.1.H.265-MOTH": {
        "title": "Low Tide",
        "year": 2017,
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.265",
        "bit_depth": 10,
        "audio": ("E-AC-3",),
        "channels": "5.1",
        "edition": "Extended",
        "group": "MOTH",
        "flags": ("PROPER",),
    },
    "Glass.Harbour.1998.NTSC.DVD5.MPEG-2.AC3-OLDER": {
        "title": "Glass Harbour",
        "year": 1998,
        "source": "DVD",
        "codec": "MPEG-2",
        "audio": ("AC-3",),
        "group": "OLDER",
    },
    "2046.Nights.2004.DVDRip.XviD-PLAIN": {
        "title": "2046 Nights",
        "year": 2004,
        "source": "DVD",
        "codec": "XviD",
        "group": "PLAIN",
    },
    "1917.2019.MULTi.1080p.WEB.H264-LiNEN": {
        "title": "1917",
        "year": 2019,
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.264",
        "languages": ("multi",),
        "group": "LiNEN",
    },
    "1917.1080p.WEB.h264-LiNEN": {
        "title": "1917",
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.264",
        "group": "LiNEN",
    },
    "Moth-Man.Returns.2012.480p.HDTV.x264-ORE": {
        "title": "Moth-Man Returns",
        "year": 2012,
        "resolution": "480p",
        "source": "HDTV",
        "codec": "H.264",
        "group": "ORE",
    },
    "WALL-E.2008.1080p.BluRay.DTS.x264-ORE": {
        "title": "WALL-E",
        "year": 2008,
        "resolution": "1080p",
        "source": "BluRay",
        "codec": "H.264",
        "audio": ("DTS",),
        "group": "ORE",
    },
    "Die.Letzte.Faehre.2020.German.DL.1080p.BluRay.AVC-KAHN": {
        "title": "Die Letzte Faehre",
        "year": 2020,
        "resolution": "1080p",
        "source": "BluRay",
        "codec": "H.264",
        "languages": ("de",),
        "group": "KAHN",
        "flags": ("DUAL-AUDIO",),
    },
    "La.Derniere.Barque.FRENCH.720p.BluRay.x264-QUAI": {
        "title": "La Derniere Barque",
        "resolution": "720p",
        "source": "BluRay",
        "codec": "H.264",
        "languages": ("fr",),
        "group": "QUAI",
    },
    "The.French.Baker.2015.1080p.BluRay.x264-QUAI": {
        "title": "The French Baker",
        "year": 2015,
        "resolution": "1080p",
        "source": "BluRay",
        "codec": "H.264",
        "group": "QUAI",
    },
    "Iron.Orchard.Directors.Cut.2005.1080p.BluRay.DTS-HD.MA.5.1.x264-RiND": {
        "title": "Iron Orchard",
        "year": 2005,
        "resolution": "1080p",
        "source": "BluRay",
        "codec": "H.264",
        "audio": ("DTS-HD MA",),
        "channels": "5.1",
        "edition": "Director's Cut",
        "group": "RiND",
    },
    "New.Release.2024.HDCAM.x264-SEAT": {
        "title": "New Release",
        "year": 2024,
        "source": "CAM",
        "codec": "H.264",
        "group": "SEAT",
    },
    "New Release 2024 TS XviD-SEAT": {
        "title": "New Release",
        "year": 2024,
        "source": "TS",
        "codec": "XviD",
        "group": "SEAT",
    },
    "Cam.2018.1080p.WEB-DL.x264-SEAT": {
        "title": "Cam",
        "year": 2018,
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.264",
        "group": "SEAT",
    },
    "Slow River (2024) [2160p] [4K] [WEB] [5.1] [TREE.FM]": {
        "title": "Slow River",
        "year": 2024,
        "resolution": "2160p",
        "source": "WEB-DL",
        "channels": "5.1",
        "group": "TREE.FM",
    },
    "www.some-site.example - Slow River 2024 1080p WEBRip.mkv": {
        "title": "Slow River",
        "year": 2024,
        "resolution": "1080p",
        "source": "WEBRip",
    },
    "Slow.River.2024.AV1.1080p.WEBRip.Opus.7.1-BROOK-xpost": {
        "title": "Slow River",
        "year": 2024,
        "resolution": "1080p",
        "source": "WEBRip",
        "codec": "AV1",
        "audio": ("Opus",),
        "channels": "7.1",
        "group": "BROOK",
    },
    "Slow.River.4K.HDR.2024.WEB-DL.DD+5.1.H265-BROOK": {
        "title": "Slow River",
        "year": 2024,
        "resolution": "2160p",
        "source": "WEB-DL",
        "codec": "H.265",
        "hdr": ("HDR",),
        "audio": ("E-AC-3",),
        "channels": "5.1",
        "group": "BROOK",
    },
    "Tin.Moon.3D.2013.1080p.BluRay.Half-SBS.x264-LENS": {
        "title": "Tin Moon",
        "year": 2013,
        "resolution": "1080p",
        "source": "BluRay",
        "codec": "H.264",
        "group": "LENS",
        "flags": ("3D",),
    },
    "Tin.Moon.2013.DVDSCR.XviD.AC3-LENS": {
        "title": "Tin Moon",
        "year": 2013,
        "source": "SCR",
        "codec": "XviD",
        "audio": ("AC-3",),
        "group": "LENS",
    },
    "Tin.Moon.2013.1080i.BluRay.VC-1.DTS.2.0-LENS[rartv]": {
        "title": "Tin Moon",
        "year": 2013,
        "resolution": "1080i",
        "source": "BluRay",
        "codec": "VC-1",
        "audio": ("DTS",),
        "channels": "2.0",
        "group": "LENS",
    },
    "tin moon": {"title": "tin moon"},
    "Tin_Moon_1920x800_x265": {"title": "Tin Moon", "resolution": "1080p", "codec": "H.265"},
    "Films/Tin Moon (2013)/Tin.Moon.2013.576p.VHSRip.DivX.avi": {
        "title": "Tin Moon",
        "year": 2013,
        "resolution": "576p",
        "source": "VHS",
        "codec": "DivX",
    },
    "Le.Phare.(The.Lighthouse).2011.BDRip.XviD-MER": {
        "title": "Le Phare",
        "year": 2011,
        "source": "BluRay",
        "codec": "XviD",
        "group": "MER",
    },
    "The.Long.Cut.2022.Hybrid.2160p.WEB-DL.DV.HDR.DTS-X.7.1.HEVC.REPACK2-D-CK": {
        "title": "The Long Cut",
        "year": 2022,
        "resolution": "2160p",
        "source": "WEB-DL",
        "codec": "H.265",
        "hdr": ("DV", "HDR"),
        "audio": ("DTS:X",),
        "channels": "7.1",
        "group": "D-CK",
        "flags": ("HYBRID", "REPACK"),
    },
}

SERIES: dict[str, dict[str, Any]] = {
    "Harbour.Street.S01E02.The.French.Letter.720p.HDTV.x264-GULL": {
        "title": "Harbour Street",
        "season": 1,
        "episodes": (2,),
        "resolution": "720p",
        "source": "HDTV",
        "codec": "H.264",
        "group": "GULL",
    },
    "Harbour.Street.S01E02E03.1080p.WEB-DL.AAC2.0.H.264-GULL": {
        "title": "Harbour Street",
        "season": 1,
        "episodes": (2, 3),
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.264",
        "audio": ("AAC",),
        "channels": "2.0",
        "group": "GULL",
    },
    "Harbour.Street.S01E02-E05.1080p.WEB.h264-GULL": {
        "title": "Harbour Street",
        "season": 1,
        "episodes": (2, 3, 4, 5),
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.264",
        "group": "GULL",
    },
    "Harbour.Street.S03E01.S03E02.PDTV.XviD-GULL": {
        "title": "Harbour Street",
        "season": 3,
        "episodes": (1, 2),
        "source": "SDTV",
        "codec": "XviD",
        "group": "GULL",
    },
    "Harbour Street - S02E10-12 - Ebb": {"title": "Harbour Street", "season": 2, "episodes": (10, 11, 12)},
    "Harbour.Street.2x04.2x05.DVDRip-GULL": {
        "title": "Harbour Street",
        "season": 2,
        "episodes": (4, 5),
        "source": "DVD",
        "group": "GULL",
    },
    "Harbour Street 3x07 1080p": {
        "title": "Harbour Street",
        "season": 3,
        "episodes": (7,),
        "resolution": "1080p",
    },
    "Harbour.Street.2019.S01E01.PROPER.iNTERNAL.1080p.WEB.H264-GULL": {
        "title": "Harbour Street",
        "year": 2019,
        "season": 1,
        "episodes": (1,),
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.264",
        "group": "GULL",
        "flags": ("PROPER", "INTERNAL"),
    },
    "Harbour.Street.S03.COMPLETE.1080p.BluRay.Remux.AVC-GULL": {
        "title": "Harbour Street",
        "season": 3,
        "resolution": "1080p",
        "source": "BluRay",
        "codec": "H.264",
        "group": "GULL",
        "flags": ("COMPLETE", "REMUX"),
    },
    "Harbour Street S01-S04 720p WEB-DL x265": {
        "title": "Harbour Street",
        "season": 1,
        "resolution": "720p",
        "source": "WEB-DL",
        "codec": "H.265",
        "flags": ("MULTI-SEASON",),
    },
    "Harbour Street Season 2 Episode 5 1080p": {
        "title": "Harbour Street",
        "season": 2,
        "episodes": (5,),
        "resolution": "1080p",
    },
    "Harbour.Street.Season.2.1080p": {"title": "Harbour Street", "season": 2, "resolution": "1080p"},
    "Rue.du.Port.Saison.2.FRENCH.HDTV": {
        "title": "Rue du Port",
        "season": 2,
        "source": "HDTV",
        "languages": ("fr",),
    },
    "Calle del Puerto [HDTV 720p][Cap.102][AC3 5.1 Castellano]": {
        "title": "Calle del Puerto",
        "season": 1,
        "episodes": (2,),
        "resolution": "720p",
        "source": "HDTV",
        "audio": ("AC-3",),
        "channels": "5.1",
        "languages": ("es",),
    },
    "Night.Desk.2026.03.01.Some.Guest.1080p.WEB.h264-DAILY": {
        "title": "Night Desk",
        "date": date(2026, 3, 1),
        "resolution": "1080p",
        "source": "WEB-DL",
        "codec": "H.264",
        "group": "DAILY",
    },
    "Night Desk 21.03.2026 720p": {"title": "Night Desk", "date": date(2026, 3, 21), "resolution": "720p"},
    "Night Desk - 03-21-2026 - 720p": {
        "title": "Night Desk",
        "date": date(2026, 3, 21),
        "resolution": "720p",
    },
    "Agents.of.C.A.V.E.S01E01.720p": {
        "title": "Agents of C.A.V.E",
        "season": 1,
        "episodes": (1,),
        "resolution": "720p",
    },
    "Mr. Lamp S02E01 1080p": {"title": "Mr. Lamp", "season": 2, "episodes": (1,), "resolution": "1080p"},
    "The.Desk.US.S05E01.480p": {
        "title": "The Desk US",
        "season": 5,
        "episodes": (1,),
        "resolution": "480p",
    },
    "The Desk (US) S05E01": {"title": "The Desk US", "season": 5, "episodes": (1,)},
    "Harbour.Street.E07.VOSTFR.1080p": {
        "title": "Harbour Street",
        "episodes": (7,),
        "resolution": "1080p",
        "flags": ("SUBBED",),
    },
    "Harbour.Street.S04E1012.1080p": {
        "title": "Harbour Street",
        "season": 4,
        "episodes": (1012,),
        "resolution": "1080p",
    },
}

ANIME: dict[str, dict[str, Any]] = {
    "[LampSubs] Paper Comet - 12 (1080p) [F4A5E1B2].mkv": {
        "title": "Paper Comet",
        "absolute": 12,
        "resolution": "1080p",
        "group": "LampSubs",
    },
    "[LampSubs] Paper Comet - 1012v2 [1080p HEVC 10bit AAC]": {
        "title": "Paper Comet",
        "absolute": 1012,
        "resolution": "1080p",
        "codec": "H.265",
        "bit_depth": 10,
        "audio": ("AAC",),
        "group": "LampSubs",
    },
    "[LampSubs]_Paper_Comet_-_07_[720p][EB7838FC]": {
        "title": "Paper Comet",
        "absolute": 7,
        "resolution": "720p",
        "group": "LampSubs",
    },
    "[LampSubs] Paper Comet 2nd Season - 05 [1080p][Many Subtitles]": {
        "title": "Paper Comet",
        "season": 2,
        "episodes": (5,),
        "resolution": "1080p",
        "group": "LampSubs",
    },
    "[LampSubs] Paper Comet S2 - 05 [720p].mkv": {
        "title": "Paper Comet",
        "season": 2,
        "episodes": (5,),
        "resolution": "720p",
        "group": "LampSubs",
    },
    "[LampSubs] Paper Comet - 01 ~ 04 (BD 720p Hi10P FLAC)": {
        "title": "Paper Comet",
        "episodes": (1, 2, 3, 4),
        "resolution": "720p",
        "source": "BluRay",
        "codec": "H.264",
        "bit_depth": 10,
        "audio": ("FLAC",),
        "group": "LampSubs",
    },
    "[LampSubs] Paper Comet 08 [1280x720]": {
        "title": "Paper Comet",
        "absolute": 8,
        "resolution": "720p",
        "group": "LampSubs",
    },
    "[LampSubs].Paper.Comet.-.03.[1080p].[WEB-DL]": {
        "title": "Paper Comet",
        "absolute": 3,
        "resolution": "1080p",
        "source": "WEB-DL",
        "group": "LampSubs",
    },
    "Paper Comet - 102": {"title": "Paper Comet", "absolute": 102},
}


@pytest.mark.parametrize(("name", "says"), [*FILMS.items(), *SERIES.items(), *ANIME.items()])
def test_what_a_name_says_and_nothing_more(name: str, says: dict[str, Any]) -> None:
    assert parse(name) == Release(**says)


@pytest.mark.parametrize(
    ("resolution", "tier"),
    [
        ("2160p", "4K"),
        ("1080p", "1080p"),
        ("1080i", "1080p"),
        ("720p", "720p"),
        ("480p", "other"),
        ("4320p", "other"),
        (None, "other"),
    ],
)
def test_quality(resolution: str | None, tier: str) -> None:
    assert quality(Release(resolution=resolution)) == tier


@pytest.mark.parametrize("name", ["", " ", "-", "...", "[]", "[x]", "()", "S01", "2024", "-GRP", "1x1", "\0"])
def test_names_that_say_next_to_nothing(name: str) -> None:
    assert len(parse(name).title or "") <= len(name)


WORDS = [
    "S01E01",
    "-E9999",
    "1x01",
    "[",
    "]",
    "(",
    ")",
    ".",
    " ",
    "-",
    "_",
    "x264",
    "DTS-HD",
    "www.",
    "E1",
    "2024",
]
WORDS += ["1080p", "WEB-", "season ", "extended ", "-4P", "[rartv]", "A.", "cap.101", "é", "\u202e", "٣", "/"]


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=400).map("".join))
@example("Show.S01E01-E9999.1080p")
@example("Show.S01E01-S01E99999999999")
def test_no_name_makes_it_fail_or_swell(name: str) -> None:
    release = parse(name)
    assert len(release.episodes) <= 200
    assert len(release.title or "") <= 2 * MAX_NAME_CHARS


@pytest.mark.parametrize(
    "word", [*WORDS, "S01E01.", "a-", "DD5.1.", "-E2", "web-", "(a) ", "a b ", "S1", "["]
)
def test_no_name_takes_long(word: str) -> None:
    """A few milliseconds, and here a wide margin: other parsers take seconds for some of these."""
    name = (word * MAX_NAME_CHARS)[: 4 * MAX_NAME_CHARS]
    started = time.process_time()
    parse(name)
    assert time.process_time() - started < 0.25
