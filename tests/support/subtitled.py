"""Small films with subtitle tracks, made by libav: gray pictures, a keyframe every two seconds."""

import io
import random
from collections.abc import Mapping, Sequence
from fractions import Fraction

import av
from av.packet import Packet

FPS = 24
GOP_S = 2
MS = Fraction(1, 1000)

Lines = Sequence[tuple[int, int, bytes]]
"""Start and duration in ms, and what the packet holds."""

ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, Bold, Italic, Alignment
Style: Default,Arial,40,0,0,2
Style: Thought,Arial,40,0,-1,8

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def film(
    container: str,
    tracks: Sequence[tuple[str, Lines]],
    *,
    seconds: int = 20,
    first_ms: int = 0,
    languages: Mapping[int, str] | None = None,
    font: bytes = b"",
    is_noisy: bool = False,
) -> io.BytesIO:
    """`tracks`: codec names and their packets; `first_ms`: the first picture's time; `font`: attached.

    `is_noisy`: pictures that can't be made small, some 70 kB/s.
    """
    made, noise = io.BytesIO(), random.Random(1)
    with av.open(made, "w", format=container, options={"avoid_negative_ts": "disabled"}) as output:
        video = output.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        video.options = {"preset": "ultrafast", "g": str(GOP_S * FPS), "bf": "2", "sc_threshold": "0"}
        video.codec_context.time_base = Fraction(1, FPS)
        streams = []
        for number, (codec, _) in enumerate(tracks):
            stream = _ass_stream(output) if codec == "ass" else output.add_mux_stream(codec)
            stream.time_base = MS
            stream.metadata["language"] = (languages or {}).get(number, "eng")
            streams.append(stream)
        if font:
            output.add_attachment("font.ttf", "font/ttf", font)
        waiting = sorted(
            (start_ms, n, lasts_ms, data)
            for n, (_, lines) in enumerate(tracks)
            for start_ms, lasts_ms, data in lines
        )
        for number in range(seconds * FPS):
            while waiting and waiting[0][0] <= first_ms + number * 1000 // FPS:
                start_ms, n, lasts_ms, data = waiting.pop(0)
                packet = Packet(data)
                packet.stream, packet.time_base = streams[n], MS
                packet.pts = packet.dts = start_ms
                packet.duration = lasts_ms
                output.mux(packet)
            frame = av.VideoFrame(64, 36, "yuv420p")
            for plane, value in zip(frame.planes, (number % 200, 128, 128), strict=True):
                size_bytes = plane.buffer_size
                plane.update(noise.randbytes(size_bytes) if is_noisy else bytes([value]) * size_bytes)
            frame.pts, frame.time_base = number + first_ms * FPS // 1000, Fraction(1, FPS)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    made.seek(0)
    return made


def _ass_stream(output):
    with av.open(io.BytesIO(ASS_HEADER), format="ass") as script:
        return output.add_stream_from_template(script.streams.subtitles[0])
