"""A film that is really served, and a real media process that prepares it, with no instance around them."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import httpx
import msgspec
from av import AudioFrame, VideoFrame

from libs.common.play import TOKEN_HEADER
from services.downloader.describe import describe
from services.downloader.media.process import MediaProcess, media_process
from services.downloader.media.theatre import Theatre
from services.downloader.play import Identity, Screen, serving
from services.downloader.source import Source

FPS, WIDTH, HEIGHT = 25, 320, 180
NOISE_LINES = 10
SAMPLE_RATE_HZ, SAMPLES = 48_000, 1536
IDENTITY = Identity(token="t" * 64, etag="etag", modified_at=datetime(2026, 3, 1, tzinfo=UTC))


def small_film(path: Path, seconds: int = 20, *, sound: str = "ac3") -> bytes:
    """H.264 with a keyframe every two seconds, and stereo sound; an MP4 is made faststart. Some 150 kB/s."""
    noise = random.Random(1).randbytes(NOISE_LINES * 4 * WIDTH)
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        picture = container.add_stream("libx264", rate=FPS)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.options = {"preset": "ultrafast", "g": str(2 * FPS), "threads": "1"}
        track = container.add_stream(sound, rate=SAMPLE_RATE_HZ, layout="stereo")
        heard = 0
        for number in range(seconds * FPS):
            frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane in frame.planes:
                # A stripe that wanders, and some lines that can't be foretold, so that it has a size.
                line = bytes((number * 3 + x // 8) % 256 for x in range(plane.line_size))
                at = number * 997 % (len(noise) // 2)
                noisy = noise[at : at + NOISE_LINES * plane.line_size]
                plane.update(noisy + line * (plane.height - NOISE_LINES))
            frame.pts = number
            container.mux(picture.encode(frame))
            while heard * FPS < number * SAMPLE_RATE_HZ:
                container.mux(track.encode(_silence(heard)))
                heard += SAMPLES
        container.mux(picture.encode(None))
        container.mux(track.encode(None))
    return path.read_bytes()


def _silence(at: int) -> AudioFrame:
    frame = AudioFrame(format="fltp", layout="stereo", samples=SAMPLES)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, at, Fraction(1, SAMPLE_RATE_HZ)
    return frame


class Show(msgspec.Struct):
    """Everything of one film that is being shown."""

    theatre: Theatre
    process: MediaProcess
    screen: Screen
    player: httpx.AsyncClient


@asynccontextmanager
async def showing(source: Source) -> AsyncIterator[Show]:
    async with media_process() as process:
        theatre = Theatre(process, source)
        await source.open()
        description = await describe(source)
        screen = Screen(source, description, IDENTITY, theatre)
        async with (
            serving(screen) as address,
            httpx.AsyncClient(
                base_url=f"http://{address}", headers={TOKEN_HEADER: IDENTITY.token}, timeout=30
            ) as player,
        ):
            theatre.put_beside(description.texts)
            theatre.show(address, IDENTITY.token, description.film.size_bytes)
            yield Show(theatre, process, screen, player)
            await theatre.close()
