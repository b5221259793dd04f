"""A film as large as people post them: some seconds of 1080p at 8 Mbit/s over and over, with one sound."""

import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av import AudioFrame, Packet, VideoFrame
from av.container import OutputContainer
from av.stream import Stream

WIDTH, HEIGHT, FPS = 1920, 1080, 24
LOOP_S = 12
BITS_PER_S = 8_000_000
SAMPLE_RATE_HZ = 48_000
SAMPLES = {"ac3": 1536, "aac": 1024}
"""Of one frame of sound; a loop is a whole number of each."""

SoundCodec = Literal["ac3", "aac"]


def make_feature(path: Path, minutes: float, sound: SoundCodec) -> Path:
    """An MKV of about 60 MB a minute."""
    with av.open(str(path), "w") as container:
        loop = _encoded(container, sound)
        for turn in range(round(minutes * 60 / LOOP_S)):
            for packet in loop:
                container.mux(_again(packet, turn * LOOP_S))
    return path


def _encoded(container: OutputContainer, sound: SoundCodec) -> "list[Packet[Stream]]":
    """The loop's packets in the order of time."""
    picture = container.add_stream("libx264", rate=FPS)
    picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    picture.bit_rate = BITS_PER_S
    gop = str(2 * FPS)
    picture.options = {"preset": "ultrafast", "g": gop, "keyint_min": gop, "bf": "2", "sc_threshold": "0"}
    track = container.add_stream(sound, rate=SAMPLE_RATE_HZ, layout="5.1")
    track.bit_rate = 448_000
    packets: list[Packet[Stream]] = []
    noise = list(_noise())
    for number in range(LOOP_S * FPS):
        frame = noise[number % len(noise)]
        frame.pts = number
        packets.extend(picture.encode(frame))
    packets.extend(picture.encode(None))
    for at in range(0, LOOP_S * SAMPLE_RATE_HZ, SAMPLES[sound]):
        packets.extend(track.encode(_hiss(at, SAMPLES[sound])))
    return sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base)


def _again(packet: "Packet[Stream]", shift_s: int) -> "Packet[Stream]":
    copy: Packet[Stream] = Packet(bytes(packet))
    shift = int(Fraction(shift_s) / packet.time_base)
    copy.stream, copy.time_base, copy.duration = packet.stream, packet.time_base, packet.duration
    copy.pts, copy.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
    copy.is_keyframe = packet.is_keyframe
    return copy


def _noise() -> Iterator[VideoFrame]:
    chance = random.Random(1)
    for _ in range(FPS):
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            plane.update(chance.randbytes(plane.buffer_size))
        yield frame


def _hiss(at: int, samples: int) -> AudioFrame:
    frame = AudioFrame(format="fltp", layout="5.1", samples=samples)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, at, Fraction(1, SAMPLE_RATE_HZ)
    return frame
