"""Which way a film takes to a device: every row of what was measured in browsers, and what nobody told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.media import Hdr, Media, Sound, Video
from libs.common.plan import (
    AAC,
    AC3,
    AV1,
    AV1_10,
    EAC3,
    FLAC,
    H264,
    H264_10,
    HEVC,
    HEVC_10,
    OPUS,
    PROBES,
    VP9,
    Device,
    Way,
    is_for_every_browser,
    plan,
)

CHROMIUM = Device.of([H264, H264_10, AV1, AV1_10, VP9, AAC, FLAC, OPUS])
FIREFOX = Device.of([H264, HEVC, HEVC_10, AV1, AV1_10, VP9, AAC, FLAC, OPUS])
SAFARI = Device.of([H264, HEVC, HEVC_10, AAC, AC3, EAC3, FLAC])
BROWSERS = {"chromium": CHROMIUM, "firefox": FIREFOX, "safari": SAFARI, "unknown": None}


def video(codec: str, bits: int = 8, profile: str | None = None, hdr: Hdr | None = None) -> Video:
    return Video(codec=codec, bit_depth=bits, profile=profile, hdr=hdr, width=1920, height=1080)


def film(container: str, picture: Video | None, *sounds: str, faststart: bool = False) -> Media:
    return Media(
        container=container,
        duration_s=60.0,
        bits_per_s=1,
        is_faststart=faststart,
        video=picture,
        sounds=tuple(Sound(number=n, codec=codec, channels=2) for n, codec in enumerate(sounds)),
    )


H264_FILM, HI10 = video("h264"), video("h264", 10, "High 10")


@pytest.mark.parametrize(
    ("media", "ways"),
    [
        # chromium, firefox, safari, unknown
        (film("mkv", H264_FILM, "aac"), "remux remux remux remux"),
        (film("mp4", H264_FILM, "aac", faststart=True), "as_is as_is as_is as_is"),
        (film("mp4", H264_FILM, faststart=True), "as_is as_is as_is as_is"),
        (film("mp4", H264_FILM, "aac"), "remux remux remux remux"),
        (film("ts", H264_FILM, "aac"), "remux remux remux remux"),
        (film("mkv", HI10, "aac"), "remux cannot cannot cannot"),
        (film("mp4", HI10, "aac", faststart=True), "as_is cannot cannot cannot"),
        (film("mkv", video("hevc"), "aac"), "cannot remux remux cannot"),
        (film("mkv", video("hevc", 10, hdr="hdr10"), "aac"), "cannot remux remux cannot"),
        (film("mp4", video("hevc"), "aac", faststart=True), "cannot as_is as_is cannot"),
        (film("mkv", video("av1"), "aac"), "remux remux cannot cannot"),
        (film("mkv", video("av1", 10), "aac"), "remux remux cannot cannot"),
        (film("webm", video("vp9"), "opus"), "remux remux cannot cannot"),
        (film("mp4", video("vp9"), "aac", faststart=True), "as_is as_is cannot cannot"),
        (film("mkv", video("vp9", 10), "aac"), "cannot cannot cannot cannot"),
        (film("mkv", H264_FILM, "ac3"), "sound_converted sound_converted sound_converted sound_converted"),
        (
            film("mp4", H264_FILM, "ac3", faststart=True),
            "sound_converted sound_converted as_is sound_converted",
        ),
        (
            film("mp4", H264_FILM, "eac3", faststart=True),
            "sound_converted sound_converted as_is sound_converted",
        ),
        (film("mkv", H264_FILM, "dts"), "sound_converted sound_converted sound_converted sound_converted"),
        (film("mkv", H264_FILM, "truehd", "aac"), " ".join(["sound_converted"] * 4)),
        (film("mkv", H264_FILM, "mp3"), "sound_converted sound_converted sound_converted sound_converted"),
        (film("mkv", H264_FILM, "pcm_s16le"), " ".join(["sound_converted"] * 4)),
        (film("mkv", H264_FILM, "flac"), "remux remux remux remux"),
        (film("mp4", H264_FILM, "flac", faststart=True), "as_is as_is as_is as_is"),
        (film("mkv", H264_FILM, "opus"), "remux remux cannot remux"),
        (film("mkv", H264_FILM, "opus", "aac"), "remux remux remux remux"),
        (film("mp4", H264_FILM, "aac", "aac", faststart=True), "remux remux remux remux"),
        (film("avi", video("mpeg4"), "mp3"), "cannot cannot cannot cannot"),
        (film("mp4", video("mpeg4"), "aac", faststart=True), "cannot cannot cannot cannot"),
        (film("mkv", video("mpeg2video"), "ac3"), "cannot cannot cannot cannot"),
        (film("mkv", video("vc1"), "aac"), "cannot cannot cannot cannot"),
        (film("mkv", video("h264", 8, "High 4:4:4 Predictive"), "aac"), "cannot cannot cannot cannot"),
        (film("mkv", video("hevc", 10, "Rext"), "aac"), "cannot cannot cannot cannot"),
        (film("mkv", video("av1", 8, "High"), "aac"), "cannot cannot cannot cannot"),
        (film("mkv", video("h264", 8, "High"), "aac"), "remux remux remux remux"),
        (film("mkv", None, "aac"), "cannot cannot cannot cannot"),
    ],
    ids=lambda value: (
        f"{value.container} {value.video and (value.video.codec, value.video.bit_depth)} "
        f"{[sound.codec for sound in value.sounds]}"
        if isinstance(value, Media)
        else None
    ),
)
def test_the_way_to_each_browser(media: Media, ways: str) -> None:
    assert " ".join(plan(media, device).way for device in BROWSERS.values()) == ways
    assert is_for_every_browser(media) == ways.endswith(" as_is")


@pytest.mark.parametrize(
    ("media", "device", "reasons"),
    [
        (film("mkv", H264_FILM, "ac3"), CHROMIUM, ("This browser has no AC-3: the sound is converted.",)),
        (
            film("mkv", H264_FILM, "ac3", "dts", "aac", "ac3"),
            CHROMIUM,
            ("This browser has no AC-3 and DTS: the sound is converted.",),
        ),
        (
            film("mkv", H264_FILM, "ac3"),
            SAFARI,
            ("The AC-3 sound is converted to AAC, which every browser plays.",),
        ),
        (
            film("mkv", H264_FILM, "pcm_s24le"),
            None,
            ("Not every browser plays PCM: the sound is converted.",),
        ),
        (
            film("mkv", H264_FILM, "opus", "eac3"),
            SAFARI,
            (
                "The E-AC-3 sound is converted to AAC, which every browser plays.",
                "This browser has no Opus: choose one of the other sounds.",
            ),
        ),
        (
            film("mkv", H264_FILM, "opus"),
            SAFARI,
            ("This browser has no Opus sound: choose another release.",),
        ),
        (
            film("mkv", H264_FILM, "ac3"),
            Device.of([H264]),
            ("This browser has no AAC sound: choose another release.",),
        ),
        (
            film("mkv", video("hevc", 10), "aac"),
            CHROMIUM,
            ("This browser can't show HEVC with 10 bits: choose another release, best one in H.264.",),
        ),
        (
            film("mkv", video("hevc"), "aac"),
            None,
            (
                "Not every browser plays HEVC, and this player didn't say that it does: "
                "choose another release, best one in H.264.",
            ),
        ),
        (
            film("avi", video("mpeg4"), "mp3"),
            FIREFOX,
            ("No browser plays MPEG-4 (XviD): choose another release, best one in H.264.",),
        ),
        (
            film("mkv", video("hevc", 10, hdr="dolby_vision"), "aac"),
            FIREFOX,
            (
                "Browsers don't play MKV files reliably: it is repackaged, nothing is converted.",
                "The picture is Dolby Vision: its colours may be wrong on this screen.",
            ),
        ),
        (film("mp4", H264_FILM, "aac", faststart=True), None, ("It plays as it is.",)),
    ],
)
def test_what_a_person_reads(media: Media, device: Device | None, reasons: tuple[str, ...]) -> None:
    assert plan(media, device).reasons == reasons


CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4", "aac", "ac3", "eac3", "flac", "opus", "dts", "mp3", "x")
DEVICES = st.one_of(st.none(), st.frozensets(st.sampled_from(PROBES)).map(Device))
PICTURES = st.builds(video, st.sampled_from(CODECS), st.sampled_from((8, 10, 12)))
FILMS = st.builds(
    lambda container, picture, sounds, faststart: film(container, picture, *sounds, faststart=faststart),
    st.sampled_from(("mkv", "mp4", "ts", "avi")),
    st.none() | PICTURES,
    st.lists(st.sampled_from(CODECS), max_size=4),
    st.booleans(),
)


@given(FILMS, DEVICES)
def test_every_film_and_device_has_a_way_and_a_reason(media: Media, device: Device | None) -> None:
    planned = plan(media, device)
    assert planned == plan(media, device)
    assert planned.reasons
    assert all(reason.endswith(".") and "None" not in reason for reason in planned.reasons)
    assert planned.way != "full_conversion"
    assert planned.way != "as_is" or media.is_faststart


WORTH: dict[Way, int] = {"cannot": 0, "sound_converted": 1, "remux": 1, "as_is": 2}


@given(FILMS, st.frozensets(st.sampled_from(PROBES)), st.frozensets(st.sampled_from(PROBES)))
def test_who_plays_more_is_never_worse_off(media: Media, some: frozenset[str], more: frozenset[str]) -> None:
    assert WORTH[plan(media, Device(some)).way] <= WORTH[plan(media, Device(some | more)).way]


def test_only_what_was_asked_for_counts() -> None:
    device = Device.of([H264, "mlpa", "x" * 100, 7, None, AAC, AAC])
    assert device == Device(frozenset({H264, AAC}))
    assert device.profile == Device.of([AAC, H264]).profile
    assert device.profile != Device.of([AAC]).profile
    assert device.profile == "af56c98eeea0"
