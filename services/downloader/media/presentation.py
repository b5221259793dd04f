"""A film as a browser takes it: fragments of MP4, each a function of film, track and number alone.

Nothing here knows a network or a loop: the film is any binary file that can seek. One presentation is for one
thread; two readers at far places (a player, and what is being published) are better off with one each.

`movie.mp4` = head(), then for each segment number from 0 the segments of all renditions in their order.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import BinaryIO

import msgspec
from av.container import InputContainer

from libs.common.media import Media, Text

from .boxes import FILE_TYPE, Sample, TrackHeader, box, fragment, movie
from .cuts import NeedsReading, cuts_of, read_head
from .opening import opened, picture_stream, translated
from .playlists import Piece, Rendition, master_playlist, media_playlist
from .probe import described, probe
from .reading import Reader, Tracks, Window
from .segments import picture_piece, sound_piece
from .sound import AHEAD_S, FRAME, span
from .tracks import ConvertedSound, CopiedSound, Picture, SoundTrack, picture_track, sound_tracks

__all__ = ["NeedsReading", "Presentation", "Rendition", "open_presentation", "probe"]

KEPT_MAX_BYTES = 96 << 20
"""Packets of the last segments, so that picture and sounds of one are read once; the last is always kept."""
MOVIE = "movie.mp4"


def open_presentation(film: BinaryIO, *, may_read_all: bool = True) -> "Presentation":
    """Raises Unreadable if the picture can't be copied for a browser, or the film not be cut; NeedsReading
    (an Unreadable) if it has no index and all of it would have to be read, which `may_read_all` forbids."""
    indexed = opened(film)
    try:
        with translated("Reading the film's tables"):
            return _presented(film, indexed, may_read_all)
    except BaseException:
        indexed.close()
        raise


def _presented(film: BinaryIO, indexed: InputContainer, may_read_all: bool) -> "Presentation":
    media = described(indexed, film)
    stream = picture_stream(indexed)
    time_base = stream.time_base or Fraction(1, 1000)
    picture = picture_track(stream, media)
    head = read_head(indexed, stream)
    cuts = cuts_of(indexed, stream, head, may_read_all=may_read_all)
    zero_s = cuts.base * time_base
    end_s = cuts.end * time_base
    sounds = sound_tracks(indexed, media, head, zero_s, end_s)
    tracks = Tracks(
        picture=picture.index,
        time_bases={index: _time_base(indexed, index) for index in _indexes(picture, sounds)},
        first={index: times[0] for index, times in head.sounds.items()},
        tail_s={
            sound.index: AHEAD_S if isinstance(sound, ConvertedSound) else Fraction(0) for sound in sounds
        },
    )
    shown_s = [cuts.shown(number) * time_base - zero_s for number in range(len(cuts.begins) + 1)]
    shown_s[0] = Fraction(0)
    reader = Reader(lambda: opened(film), indexed, cuts, tracks)
    return Presentation(media, picture, sounds, shown_s, zero_s, reader)


def _indexes(picture: Picture, sounds: Sequence[SoundTrack]) -> list[int]:
    return [picture.index, *(sound.index for sound in sounds)]


def _time_base(container: InputContainer, index: int) -> Fraction:
    return container.streams[index].time_base or Fraction(1, 1000)


class Presentation:
    """See `open_presentation`. `durations_s` are those of the picture's segments; `start_s` is when the first
    picture is shown by the container's clock: what else is read of the film (texts) has to be moved by it."""

    def __init__(
        self,
        media: Media,
        picture: Picture,
        sounds: Sequence[SoundTrack],
        shown_s: Sequence[Fraction],
        zero_s: Fraction,
        reader: Reader,
    ) -> None:
        self.duration_s = float(shown_s[-1])
        self.media = msgspec.structs.replace(media, duration_s=round(self.duration_s, 3))
        self.start_s = float(zero_s)
        self.segments = len(shown_s) - 1
        self.durations_s = [float(end - begin) for begin, end in pairwise(shown_s)]
        self._tracks = {track.rendition.name: track for track in (picture, *sounds)}
        self.renditions: Sequence[Rendition] = [track.rendition for track in self._tracks.values()]
        self._shown_s, self._zero_s, self._reader = shown_s, zero_s, reader
        self._windows: OrderedDict[int, Window] = OrderedDict()

    def close(self) -> None:
        self._windows.clear()
        self._reader.close()

    def init(self, rendition: str) -> bytes:
        """`ftyp` and `moov` of the rendition alone. KeyError if there is none of this name."""
        return FILE_TYPE + movie([self._tracks[rendition].header], self.duration_s)

    def segment(self, rendition: str, number: int) -> bytes:
        """Segment `number`, from 0. KeyError, IndexError if there is none; Unreadable if the film is damaged
        there; what the film's own read raises passes through, and the call may be repeated."""
        track = self._tracks[rendition]
        if not 0 <= number < self.segments:
            raise IndexError(f"no segment {number}")
        place = list(self._tracks).index(rendition)
        sequence = number * len(self._tracks) + place + 1
        window = self._window(number)
        if isinstance(track, Picture):
            base = round(self._zero_s / track.time_base)
            made = picture_piece(window, base, track.time_base, track.payload)
            begin, samples = made.begin, made.samples
        elif isinstance(track, ConvertedSound):
            begin, samples = self._converted(track, window, number)
        else:
            begin, samples = self._copied(track, window, number)
        return fragment(track.header.track_id, sequence, begin, samples)

    def _copied(self, track: CopiedSound, window: Window, number: int) -> tuple[int, list[Sample]]:
        grid = track.grid
        begin, end = (self._cut_ticks(n, grid.time_base) for n in (number, number + 1))
        made = sound_piece(
            window.sounds[track.index],
            grid,
            begin if number else None,
            end if number + 1 < self.segments else None,
            track.header.lead,
        )
        rate = track.header.timescale
        nothing = round(self._shown_s[number] * rate)
        return (made.begin if made.samples else nothing) + track.header.lead, made.samples

    def _cut_ticks(self, number: int, time_base: Fraction) -> int:
        """When segment `number` begins by the container's clock."""
        return ceil((self._shown_s[number] + self._zero_s) / time_base)

    def _converted(self, track: ConvertedSound, window: Window, number: int) -> tuple[int, list[Sample]]:
        wanted = span(number, self._shown_s, track.converter.rate)
        frames = track.converter.piece(window.sounds[track.index], wanted)
        return (wanted.first + 1) * FRAME, [Sample(FRAME, frame) for frame in frames]

    def _window(self, number: int) -> Window:
        if number not in self._windows:
            self._windows[number] = self._reader.window(number)
        self._windows.move_to_end(number)
        while len(self._windows) > 1 and self._kept_bytes() > KEPT_MAX_BYTES:
            self._windows.popitem(last=False)
        return self._windows[number]

    def _kept_bytes(self) -> int:
        return sum(window.size_bytes for window in self._windows.values())

    def head(self) -> bytes:
        """The beginning of movie.mp4: `ftyp`, `moov` of all renditions, and their inits in a `free` box."""
        inits = [self.init(name) for name in self._tracks]
        return self._opening() + box(b"free", *inits)

    def _opening(self) -> bytes:
        headers: list[TrackHeader] = [track.header for track in self._tracks.values()]
        return FILE_TYPE + movie(headers, self.duration_s)

    def init_range(self, rendition: str) -> tuple[int, int]:
        """(offset, length) of the rendition's init within movie.mp4."""
        offset = len(self._opening()) + 8
        for name in self._tracks:
            length = len(self.init(name))
            if name == rendition:
                return offset, length
            offset += length
        raise KeyError(rendition)

    @property
    def texts(self) -> list[int]:
        """The numbers of those that can be had as text."""
        return [text.number for text in self.media.texts if text.kind in ("text", "ass")]

    def master(self, texts: Collection[int] | None = None, beside: Sequence[Text] = ()) -> str:
        """movie.m3u8. `texts`: those of the film that it names; without, all. `beside`: those of files."""
        numbers = self.texts if texts is None else texts
        named = [text for text in self.media.texts if text.number in numbers]
        named += beside
        return master_playlist(self.renditions, self.media.bits_per_s, named)

    def playlist(self, rendition: str) -> str:
        """Of a rendition whose segments are made on demand, beside the playlist by their names."""
        durations_s = self._durations_s(rendition)
        pieces = [
            Piece(f"{rendition}-{number}.m4s", duration_s) for number, duration_s in enumerate(durations_s)
        ]
        return media_playlist(Piece(f"{rendition}-init.mp4", 0), pieces)

    def published_playlist(self, rendition: str, ranges: Sequence[tuple[int, int]]) -> str:
        """Of a rendition within movie.mp4; `ranges` are (offset, length) of its segments there."""
        pieces = [
            Piece(MOVIE, duration_s, byte_range)
            for duration_s, byte_range in zip(self._durations_s(rendition), ranges, strict=True)
        ]
        return media_playlist(Piece(MOVIE, 0, self.init_range(rendition)), pieces)

    def _durations_s(self, rendition: str) -> list[float]:
        track = self._tracks[rendition]
        if not isinstance(track, ConvertedSound):
            return self.durations_s
        rate = track.converter.rate
        spans = [span(number, self._shown_s, rate) for number in range(self.segments)]
        return [(wanted.end - max(wanted.first, 0)) * FRAME / rate for wanted in spans]
