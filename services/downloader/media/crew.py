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
from services.downloader.media.messages import TOO_LARGE, TOO_LONG, Answer, Ask, Show
from services.downloader.media.reader import Blocks, FilmReader

PLAYER_HANDS: Final = 3
"""A player asks for picture and sound at once, and what it asked for before a seek may still be at work."""
STORE_HANDS: Final = 1
CPU_S: Final = 10.0
"""What one question may take. The longest honest one, to convert the sound of a long segment, takes 1 s."""
LOOK_EVERY_S: Final = 0.25
WHY_CHARS_MAX: Final = 300

Tell = Callable[[Answer, bytes], None]


class Crew:
    """The hands, and the two queues before them: a player never waits for what is made for the store."""

    def __init__(self, film: Show, tell: Tell) -> None:
        blocks = Blocks()
        self._for_players, self._for_store = Waiting(), Waiting()
        self._hands = [
            Hand(questions, partial(_booth, film, blocks, urgency), tell)
            for questions, urgency, count in (
                (self._for_players, "player", PLAYER_HANDS),
                (self._for_store, "fill", STORE_HANDS),
            )
            for _ in range(count)
        ]
        for hand in self._hands:
            hand.start()
        threading.Thread(target=_watch, args=(self._hands,), name="watch", daemon=True).start()

    def ask(self, ask: Ask) -> None:
        (self._for_store if ask.is_for_store else self._for_players).put(ask)

    def drop(self, number: int) -> None:
        """Nobody waits for this one any more, whether it waits, is at work, or is long answered."""
        self._for_players.drop(number)
        self._for_store.drop(number)
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


class Hand(threading.Thread):
    """Answers one question at a time, with a reader and a presentation of its own."""

    def __init__(self, questions: Waiting, new_booth: Callable[[], Booth], tell: Tell) -> None:
        super().__init__(name="hand", daemon=True)
        self._questions = questions
        self._new_booth = new_booth
        self._tell = tell
        self._booth = new_booth()
        self._lock = threading.Lock()
        self._at: int | None = None
        self._cpu_began_s = 0.0

    def run(self) -> None:
        while True:
            ask = self._questions.take()
            with self._lock:
                self._at, self._cpu_began_s = ask.number, _cpu_s(self)
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
        """Breaks off this question if it is the one at work."""
        with self._lock:
            if self._at == number:
                self._booth.drop()

    def has_taken_too_long(self) -> bool:
        with self._lock:
            if self._at is None:
                return False
            return _cpu_s(self) - self._cpu_began_s > CPU_S


def _cpu_s(thread: threading.Thread) -> float:
    if sys.platform == "darwin" or thread.ident is None:
        # No clock of another thread there: all of them together, which is over sooner.
        return time.process_time()
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def _booth(film: Show, blocks: Blocks, urgency: str) -> Booth:
    return Booth(FilmReader(film, blocks, urgency))


def _watch(hands: list[Hand]) -> None:
    """Ends the process for a question that takes too long: a thread inside of libav can't be stopped.

    The alarm is for a hand that holds the interpreter's lock meanwhile: then it isn't put off, and the kernel
    ends the process once it has used so much time.
    """
    while True:
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        if any(hand.has_taken_too_long() for hand in hands):
            _end(TOO_LONG, "a question took too long")
        time.sleep(LOOK_EVERY_S)


def _end(code: int, why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    os._exit(code)
