"""The packets of one segment, of all tracks, read in one go: after a seek, or on from where it ended."""

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil

import msgspec
from av.container import InputContainer
from av.stream import Discard

from services.downloader.errors import Unreadable

from .cuts import Cuts, shown_at
from .opening import AnyPacket, translated

WINDOW_MAX_BYTES = 256 << 20
"""One segment of all tracks: a minute at 35 Mbit/s, or six seconds at 340. Beyond it the film is refused."""
LATE_MAX_S = 3
"""How far behind the picture sound may be stored: what comes later than this is taken to be missing."""
LEADING_MAX = 16
"""Pictures that may follow a key picture in the file and be shown before it."""
_STEPS_BACK_S = (0, 1, 5)
"""How far before a segment reading begins, until all tracks' sound of it has been met."""


class Window(msgspec.Struct, frozen=True):
    """Packets of one segment. `pictures` are those of the segment in the file's order, `following` the next
    one's key picture and those that are shown before it; `sounds`, by stream index, begin with the segment
    and go on a little beyond it."""

    pictures: list[AnyPacket]
    following: list[AnyPacket]
    sounds: dict[int, list[AnyPacket]]
    size_bytes: int


class Tracks(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a film. `first` is each sound's first time, `tail_s` how much of it is needed beyond
    the end of a segment; both by stream index."""

    picture: int
    time_bases: dict[int, Fraction]
    first: dict[int, int]
    tail_s: dict[int, Fraction]


class _Bounds(msgspec.Struct, frozen=True):
    """When a segment begins and ends, in each sound's own ticks, and until when its sound is needed."""

    begin: dict[int, int]
    end: dict[int, int]
    needed: dict[int, int]


class Reader:
    """Not for two threads. `open_film` gives a container at its beginning, as often as it is called;
    `indexed` is one that can seek. The packets of a segment are the same however it was come to."""

    def __init__(
        self, open_film: Callable[[], InputContainer], indexed: InputContainer, cuts: Cuts, tracks: Tracks
    ) -> None:
        self._open_film, self._indexed, self._cuts, self._tracks = open_film, indexed, cuts, tracks
        self._head: InputContainer | None = None
        self._packets: Iterator[AnyPacket] = iter(())
        self._pending: deque[AnyPacket] = deque()
        self._next_number: int | None = None

    def close(self) -> None:
        self._packets = iter(())
        self._pending.clear()
        self._indexed.close()
        if self._head is not None:
            self._head.close()

    def window(self, number: int) -> Window:
        """All packets of segment `number`. Raises Unreadable."""
        goes_on, self._next_number = number == self._next_number, None
        with translated(f"Reading part {number} of the film"):
            gathering = self._gathered(number) if goes_on else self._sought(number)
        if not gathering.pictures:
            raise Unreadable(f"Part {number} of the film holds no picture. Another release may be whole.")
        self._next_number = number + 1
        return gathering.window()

    def _sought(self, number: int) -> "_Gathering":
        if number == 0:
            return self._begun()
        starts = dict.fromkeys(self._place_before(number, back_s) for back_s in _STEPS_BACK_S)
        gathering: _Gathering | None = None
        for start in starts:
            self._seek(start)
            gathering = self._gathered(number)
            if gathering.is_whole(self._tracks.first):
                break
        if gathering is None:
            raise AssertionError("a place to begin at, at least")
        return gathering

    def _place_before(self, number: int, back_s: int) -> int:
        keys, place = self._cuts.keys, self._cuts.begins[number]
        latest = keys[place] - back_s / self._tracks.time_bases[self._tracks.picture]
        while place > 0 and keys[place] > latest:
            place -= 1
        return place

    def _begun(self) -> "_Gathering":
        """A seek to the first key picture would lose the sound before it: the film is opened anew."""
        if self._head is not None:
            self._head.close()
        self._head = self._open_film()
        self._read_on(self._head)
        return self._gathered(0)

    def _seek(self, place: int) -> None:
        cuts = self._cuts
        if cuts.positions:
            self._indexed.seek(cuts.positions[place], unsupported_byte_offset=True)
        else:
            picture = self._indexed.streams[self._tracks.picture]
            self._indexed.seek(cuts.keys[place] + cuts.offset, stream=picture)
        self._read_on(self._indexed)

    def _read_on(self, container: InputContainer) -> None:
        wanted = self._tracks.time_bases.keys()
        for stream in container.streams:
            stream.discard = Discard.default if stream.index in wanted else Discard.all
        self._packets = container.demux(*(container.streams[index] for index in sorted(wanted)))
        self._pending.clear()

    def _gathered(self, number: int) -> "_Gathering":
        gathering = _Gathering(number, self._cuts, self._tracks, self._bounds(number))
        while not gathering.is_done():
            packet = self._pending.popleft() if self._pending else next(self._packets, None)
            if packet is None:
                break
            if packet.size:
                gathering.add(packet)
        self._pending.extendleft(reversed(gathering.for_next()))
        return gathering

    def _bounds(self, number: int) -> _Bounds:
        begin_s, end_s = (self._cuts.shown(n) * self._time_base() for n in (number, number + 1))
        tails = self._tracks.tail_s
        bases = {index: self._tracks.time_bases[index] for index in tails}
        return _Bounds(
            begin={index: ceil(begin_s / base) for index, base in bases.items()},
            end={index: ceil(end_s / base) for index, base in bases.items()},
            needed={index: ceil((end_s + tails[index]) / base) for index, base in bases.items()},
        )

    def _time_base(self) -> Fraction:
        return self._tracks.time_bases[self._tracks.picture]


class _Gathering:
    """One segment's packets while they come in, in the file's order."""

    def __init__(self, number: int, cuts: Cuts, tracks: Tracks, bounds: _Bounds) -> None:
        self.pictures: list[AnyPacket] = []
        self._cuts, self._tracks, self._bounds = cuts, tracks, bounds
        self._key = cuts.key(number)
        self._is_first, self._is_last = number == 0, number + 1 == len(cuts.begins)
        self._next_key = 0 if self._is_last else cuts.key(number + 1)
        late = int(LATE_MAX_S / tracks.time_bases[tracks.picture])
        self._too_late = cuts.shown(number + 1) + late
        self._following: list[AnyPacket] = []
        self._has_followed = self._is_late = False
        self._sounds: dict[int, list[AnyPacket]] = {index: [] for index in tracks.tail_s}
        self._waiting = set(tracks.tail_s)
        self._met: dict[int, AnyPacket] = {}
        self._later: list[AnyPacket] = []
        self._size_bytes = 0

    def is_done(self) -> bool:
        return self._has_followed and (not self._waiting or self._is_late) and not self._is_last

    def is_whole(self, first: dict[int, int]) -> bool:
        """Whether nothing of the segment can lie before where reading began."""
        if not self.pictures or self._cuts.time_of(self.pictures[0]) != self._key:
            return False
        return all(self._is_begun(index, first.get(index)) for index in self._sounds)

    def _is_begun(self, index: int, first: int | None) -> bool:
        begin, met = self._bounds.begin[index], self._met.get(index)
        if first is not None and first >= begin:
            return True
        time = None if met is None else shown_at(met)
        return met is not None and time is not None and time - max(met.duration or 0, 1) < begin

    def for_next(self) -> list[AnyPacket]:
        return self._later

    def window(self) -> Window:
        return Window(self.pictures, self._following, self._sounds, self._size_bytes)

    def add(self, packet: AnyPacket) -> None:
        self._size_bytes += packet.size
        if self._size_bytes > WINDOW_MAX_BYTES:
            raise Unreadable("The film needs more than 256 MB for a few seconds: it can't be prepared.")
        if packet.stream_index == self._tracks.picture:
            self._add_picture(packet)
        else:
            self._add_sound(packet)

    def _add_picture(self, packet: AnyPacket) -> None:
        time, shown = self._cuts.time_of(packet), shown_at(packet)
        if time is None or shown is None:
            raise Unreadable("The film's pictures carry no times. Another release may be whole.")
        if self._following:
            self._later.append(packet)
            self._follow(packet, shown)
        elif packet.is_keyframe and not self._is_last and time >= self._next_key:
            self._following.append(packet)
            self._later.append(packet)
        elif self.pictures or (packet.is_keyframe and time >= self._key):
            self.pictures.append(packet)

    def _follow(self, packet: AnyPacket, shown: int) -> None:
        key_shown = shown_at(self._following[0])
        is_leading = key_shown is not None and shown < key_shown
        if is_leading and not self._has_followed and len(self._following) <= LEADING_MAX:
            self._following.append(packet)
        else:
            self._has_followed = True
        self._is_late = self._is_late or shown >= self._too_late

    def _add_sound(self, packet: AnyPacket) -> None:
        index, time = packet.stream_index, shown_at(packet)
        if time is None:
            return
        self._met.setdefault(index, packet)
        if self._is_first or time >= self._bounds.begin[index]:
            self._sounds[index].append(packet)
        if not self._is_last and time >= self._bounds.end[index]:
            self._later.append(packet)
        if time >= self._bounds.needed[index]:
            self._waiting.discard(index)
