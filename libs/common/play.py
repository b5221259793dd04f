"""What an instance and the gateway agree on, so that a film plays while it is still being fetched."""

import re

from libs.common.security import sign

FILM_PATH = "/film"
MEDIA_PATH = "/media/"
"""Before a name of the film's prepared form (`is_media_name`); the gateway has them after a session's id."""
TOKEN_HEADER = "x-matinee-play"  # noqa: S105  (where it is, not what it is)
URGENCY_HEADER = "x-matinee-urgency"
"""Whose a read of the film is: `fill` waits for the bytes as the fetching brings them; else a player's."""
MEND_S = 300.0
"""How long a read waits for lost bytes to be mended before its response is broken off."""


def play_token(secret: bytes, job_id: str, attempt: int, delivery: int) -> str:
    """What an instance asks of whoever wants its film: only who shares the installation's secret has it."""
    return sign(secret, "play", job_id, str(attempt), str(delivery))


_NUMBER = r"(?:0|[1-9]\d{0,5})"
_MEDIA_NAME = re.compile(
    r"movie\.m3u8|sprites\.vtt"
    rf"|(?:video|sound-{_NUMBER})(?:\.m3u8|-init\.mp4|-{_NUMBER}\.m4s)"
    rf"|text-{_NUMBER}(?:\.(?:m3u8|vtt|ass|sup)|-{_NUMBER}\.vtt)|sprites-{_NUMBER}\.jpg",
    re.ASCII,
)


_TEXT_NAME = re.compile(rf"(text-{_NUMBER})(?:-{_NUMBER})?\.vtt", re.ASCII)


def is_text_name(name: str) -> bool:
    """Whether it names WebVTT of a film's text: `text-0.vtt`, or a piece of it, `text-0-17.vtt`."""
    return _TEXT_NAME.fullmatch(name) is not None


def is_media_name(name: str) -> bool:
    """Whether it names a part of a film's prepared form: `movie.m3u8`, `video-17.m4s`, `text-0.vtt` …

    The same names at the instance, at the gateway, and (but for inits and segments, which are byte ranges of
    `movie.mp4` there) in the store.
    """
    return _MEDIA_NAME.fullmatch(name) is not None
