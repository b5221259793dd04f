"""Who answers in the media process: a few hands, each a thread, and a watch that none takes too long."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from services.downloader.media.booth import Booth, NotToBeHad
from services.downloader.media.messages import (
    TOO_LARGE,
    TOO_LONG,
    Answer,
    Ask,
    Describe,
    Segment,
    Show,
    Texts,
)
from services.downloader.media.reader import Blocks, FilmReader

PLAYER_HANDS: Final = 2
"""Each keeps what it has read last, some 100 MiB at most, for a segment's sounds and for the next segment."""
CPU_S: Final = 10.0
"""What one question may take. The longest honest one, to convert the sound of a long segment, takes 1 s."""
READ_BYTES_PER_S: Final = 50_000_000
"""Of CPU time, where all of a film has to be read; measured are ten times as much."""
LOOK_EVERY_S: Final = 0.25
WHY_CHARS_MAX: Final = 300

Tell = Callable[[Answer, bytes], None]


class Crew:
    """Hands for players, and one for the store: a player never waits for what is made for the store."""

    def __init__(self, film: Show, tell: Tell) -> None:
        blocks = Blocks()
        self._for_players = [Hand(partial(_booth, film, blocks, "player"), tell) for _ in range(PLAYER_HANDS)]
        self._for_store = Hand(partial(_booth, film, blocks, "fill"), tell)
        self._hands = [*self._for_players, self._for_store]
        for hand in self._hands:
            hand.start()
        reading_s = film.size_bytes / READ_BYTES_PER_S
        threading.Thread(target=watch, args=(self._hands, reading_s), name="watch", daemon=True).start()

    def ask(self, ask: Ask) -> None:
        (self._for_store if ask.is_for_store else self._nearest(ask)).ask(ask)

    def _nearest(self, ask: Ask) -> "Hand":
        """The hand that has just read this place of the film or the one before, else the one least busy."""
        if isinstance(ask.question, Segment):
            for hand in self._for_players:
                if hand.place in (ask.question.number, ask.question.number - 1):
                    return hand
        return min(self._for_players, key=lambda hand: (hand.asked, hand.place is not None))

    def drop(self, number: int) -> None:
        """Nobody waits for this one any more, whether it waits, is at work, or is long answered."""
        for hand in self._hands:
            hand.drop(number)


class Waiting:
    """Questions in the order they came. As many as the instance lets wait (`process.ASKED_MAX`)."""

    def __init__(self) -> None:
        self._asks: list[Ask] = []
        self._changed = threading.Condition()

    def put(self, ask: Ask) -> None:
        with self._changed:
            self._asks.append(ask)
            self._changed.notify()

    def take(self) -> Ask:
        with self._changed:
            self._changed.wait_for(lambda: self._asks)
            return self._asks.pop(0)

    def drop(self, number: int) -> None:
        with self._changed:
            self._asks = [ask for ask in self._asks if ask.number != number]

    def __len__(self) -> int:
        return len(self._asks)


class Hand(threading.Thread):
    """Answers one question at a time, with a reader and a presentation of its own."""

    def __init__(self, new_booth: Callable[[], Booth], tell: Tell) -> None:
        super().__init__(name="hand", daemon=True)
        self.place: int | None = None
        """The number of the segment that it was asked for last."""
        self._questions = Waiting()
        self._new_booth = new_booth
        self._tell = tell
        self._booth = new_booth()
        self._lock = threading.Lock()
        self._at: Ask | None = None
        self._cpu_began_s = 0.0

    @property
    def asked(self) -> int:
        return len(self._questions) + (self._at is not None)

    def ask(self, ask: Ask) -> None:
        if isinstance(ask.question, Segment):
            self.place = ask.question.number
        self._questions.put(ask)

    def run(self) -> None:
        while True:
            ask = self._questions.take()
            with self._lock:
                self._at, self._cpu_began_s = ask, _cpu_s(self)
            answer, payload = self._answer(ask)
            with self._lock:
                self._at = None
            self._tell(answer, payload)

    def _answer(self, ask: Ask) -> tuple[Answer, bytes]:
        try:
            return Answer(number=ask.number), self._booth.answer(ask.question)
        except NotToBeHad as error:
            return Answer(number=ask.number, why_not=str(error)[:WHY_CHARS_MAX], is_final=True), b""
        except MemoryError:
            _end(TOO_LARGE, f"out of memory at {ask.question}")
        except Exception as error:  # whatever libav thinks of: it is told, and this hand begins anew
            with self._lock:
                self._booth.close()
                self._booth = self._new_booth()
            why = f"{type(error).__name__}: {error}"
            return Answer(number=ask.number, why_not=why[:WHY_CHARS_MAX]), b""

    def drop(self, number: int) -> None:
        """Forgets this question, or breaks it off if it is the one at work."""
        self._questions.drop(number)
        with self._lock:
            if self._at and self._at.number == number:
                self._booth.drop()

    def has_taken_too_long(self, reading_s: float) -> bool:
        """`reading_s`: how much more a question may take that may read all of the film."""
        with self._lock:
            if self._at is None:
                return False
            match self._at.question:
                case Describe(may_read_all=reads_all):
                    pass
                case Texts(segment=segment):
                    reads_all = segment is None
                case _:
                    reads_all = False
            return _cpu_s(self) - self._cpu_began_s > CPU_S + reads_all * reading_s


def _cpu_s(thread: threading.Thread) -> float:
    if sys.platform == "darwin" or thread.ident is None:
        # No clock of another thread there: all of them together, which is over sooner.
        return time.process_time()
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def _booth(film: Show, blocks: Blocks, urgency: str) -> Booth:
    return Booth(FilmReader(film, blocks, urgency))


def watch(hands: list[Hand], reading_s: float) -> None:
    """Ends the process for a question that takes too long: a thread inside of libav can't be stopped.

    The alarm is for a hand that holds the interpreter's lock meanwhile: then it isn't put off, and the kernel
    ends the process once it has used so much time.
    """
    while True:
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        if any(hand.has_taken_too_long(reading_s) for hand in hands):
            _end(TOO_LONG, "a question took too long")
        time.sleep(LOOK_EVERY_S)


def _end(code: int, why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    os._exit(code)
