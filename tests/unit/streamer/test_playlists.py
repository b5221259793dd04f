"""Stored playlists: ours are told with signed addresses, anything else is no playlist."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.streamer.playlists import MAX_BYTES, BadPlaylist, Stretch, read_master, read_media

MASTER = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Eng\u2028lish",LANGUAGE="eng",DEFAULT=YES,URI="sound-0.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=8000000,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1920x1080,AUDIO="sound"
video.m3u8
"""
VIDEO = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:8
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="movie.mp4",BYTERANGE="700@40"
#EXTINF:6.006,
#EXT-X-BYTERANGE:1000@2000
movie.mp4
#EXTINF:4.1,
#EXT-X-BYTERANGE:500@9000000000
movie.mp4
#EXT-X-ENDLIST
"""
URL = "https://store.example/b/movies/j/movie.mp4?X-Amz-Signature=ab%2F&movie.mp4"


def test_the_master_is_told_as_it_is() -> None:
    assert read_master(MASTER.encode()) == MASTER


def test_where_each_segment_lies() -> None:
    playlist = read_media(VIDEO.encode())
    assert playlist.init == Stretch(offset=40, length=700)
    assert playlist.segments == (Stretch(2000, 1000), Stretch(9_000_000_000, 500))


def test_every_address_is_the_signed_one() -> None:
    signed = read_media(VIDEO.encode()).signed(URL).splitlines()
    plain = VIDEO.splitlines()
    assert signed[4] == f'#EXT-X-MAP:URI="{URL}",BYTERANGE="700@40"'
    assert [line for line in signed if line == URL] == [URL, URL]
    changed = [pair for pair in zip(signed, plain, strict=True) if pair[0] != pair[1]]
    assert len(changed) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("#EXTM3U", "#EXTINF"),
        ('URI="movie.mp4"', 'URI="https://elsewhere.example/movie.mp4"'),
        ("\nmovie.mp4", "\nhttps://elsewhere.example/x"),
        ("\nmovie.mp4", "\n../other/movie.mp4"),
        ("#EXT-X-BYTERANGE:1000@2000\n", ""),
        ("1000@2000", "1000"),
        ("1000@2000", "0@2000"),
        ("1000@2000", "-1@2000"),
        ("1000@2000", "1@" + "9" * 16),
        (',BYTERANGE="700@40"', ""),
        ('#EXT-X-MAP:URI="movie.mp4",BYTERANGE="700@40"\n', ""),
        ("#EXT-X-ENDLIST", '#EXT-X-KEY:METHOD=AES-128,URI="https://elsewhere.example/key"'),
        ("#EXT-X-ENDLIST", '#EXT-X-MAP:URI="movie.mp4",BYTERANGE="1@1"'),
        ("#EXT-X-ENDLIST", "#" * MAX_BYTES),
    ],
)
def test_what_is_no_playlist_of_ours(old: str, new: str) -> None:
    with pytest.raises(BadPlaylist):
        read_media(VIDEO.replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("video.m3u8", "https://elsewhere.example/video.m3u8"),
        ("video.m3u8", "//elsewhere.example/video.m3u8"),
        ("video.m3u8", "../video.m3u8"),
        ("video.m3u8", "video-0.m4s"),
        ("sound-0.m3u8", "x/sound-0.m3u8"),
        ("#EXTM3U", ""),
    ],
)
def test_what_is_no_master_of_ours(old: str, new: str) -> None:
    with pytest.raises(BadPlaylist):
        read_master(MASTER.replace(old, new).encode())


@given(st.binary() | st.text().map(lambda text: f"#EXTM3U\n{text}".encode()))
def test_garbage_is_refused_and_no_worse(data: bytes) -> None:
    for read in (read_master, read_media):
        with suppress(BadPlaylist):
            read(data)
