"""Kinds by first bytes, and by name where there are none."""

import pytest

from services.downloader.kinds import CONTENT_TYPES, Kind, container_of, kind_of, says_extra, says_sample

EBML = b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska"
WEBM = EBML.replace(b"matroska", b"webm")
FTYP = b"\x00\x00\x00\x20ftypisom" + bytes(20)
TS = (b"\x47" + bytes(187)) * 5
M2TS = (b"\x00\x00\x00\x00\x47" + bytes(187)) * 5


@pytest.mark.parametrize(
    ("name", "head", "container"),
    [
        ("film.mkv", EBML, "mkv"),
        ("a8f2", EBML, "mkv"),
        ("film.mp4", EBML, "mkv"),
        ("film.webm", WEBM, "webm"),
        ("", WEBM, "webm"),
        ("film.mp4", FTYP, "mp4"),
        ("film.m4v", FTYP, "m4v"),
        ("film.mov", FTYP, "mov"),
        ("", FTYP.replace(b"isom", b"qt  "), "mov"),
        ("film.avi", b"RIFF\x00\x00\x00\x00AVI LIST", "avi"),
        ("song.wav", b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        ("film.ts", TS, "ts"),
        ("", TS, "ts"),
        ("00001.m2ts", M2TS, "m2ts"),
        ("00001.mts", M2TS, "m2ts"),
        ("a.vob", b"\x00\x00\x01\xba" + bytes(20), "mpg"),
        ("a.wmv", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "wmv"),
        ("fake.mkv", b"this is no film at all", None),
        ("fake.mkv", b"MZ" + bytes(100), None),
        ("fake.ts", b"G", None),
        ("film.mkv", b"", "mkv"),
        ("film.MPEG", b"", "mpg"),
        ("film", b"", None),
        ("film.nfo", b"", None),
    ],
)
def test_containers(name: str, head: bytes, container: str | None):
    assert container_of(name, head) == container
    assert container is None or container in CONTENT_TYPES


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("x", b"PAR2\x00PKT" + bytes(60), Kind.PAR2),
        ("x", b"Rar!\x1a\x07\x01\x00" + bytes(60), Kind.RAR),
        ("film.mkv", b"Rar!\x1a\x07\x00" + bytes(60), Kind.RAR),
        ("x", b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
        ("x", b"PK\x03\x04", Kind.ZIP),
        ("film.mkv.001", EBML, Kind.PIECE),
        ("film.mkv", EBML, Kind.VIDEO),
        ("film.mkv.exe", b"MZ", Kind.PROGRAM),
        ("film.mkv", b"MZ", Kind.PROGRAM),
        ("run.bat", b"echo", Kind.PROGRAM),
        ("film.mkv", b"text", Kind.OTHER),
        ("film.rar", b"text", Kind.OTHER),
        ("film.nfo", b"text", Kind.OTHER),
        ("film.2010.DD5.1", EBML, Kind.VIDEO),
        ("film.DD5.1.mkv", b"", Kind.VIDEO),
        ("film.jar", b"PK\x03\x04", Kind.PROGRAM),
        ("film.7z", b"", Kind.SEVEN_ZIP),
        ("film.s07", b"", Kind.RAR),
        ("film.r07", b"", Kind.RAR),
        ("film.part03.rar", b"", Kind.RAR),
        ("film.vol0+1.par2", b"", Kind.PAR2),
        ("film.zip", b"", Kind.ZIP),
        ("film.mkv", b"", Kind.VIDEO),
        ("setup.exe", b"", Kind.PROGRAM),
        ("", b"", Kind.OTHER),
    ],
)
def test_kinds(name: str, head: bytes, kind: Kind):
    assert kind_of(name, head) is kind


@pytest.mark.parametrize(
    ("name", "directory", "sample"),
    [
        ("film-sample.mkv", "", True),
        ("Sample.mkv", "", True),
        ("a.mkv", "Sample", True),
        ("film_sample_.mkv", "", True),
        ("resampled.mkv", "", False),
        ("Sampler.mkv", "Samples", False),
    ],
)
def test_samples(name: str, directory: str, sample: bool):
    assert says_sample(name, directory) is sample


@pytest.mark.parametrize(
    ("name", "directory", "extra"),
    [
        ("Film.2010-trailer.mkv", "", True),
        ("Film - Behind the Scenes.mkv", "", True),
        ("film.deleted.scenes.2.mkv", "", True),
        ("a.mkv", "Featurettes", True),
        ("a.mkv", "Extras 1", True),
        ("Trailer.Park.Film.2006.mkv", "", False),
        ("Trailer.mkv", "", False),
        ("Film.2010.mkv", "Film.2010.with.Extras", False),
    ],
)
def test_extras(name: str, directory: str, extra: bool):
    assert says_extra(name, directory) is extra
