"""Everything that ever broke a parser, and whole inputs with a few changes: none of it does now."""

import random
import time
from contextlib import suppress

import pytest

from tests.fuzz.__main__ import INPUT_MAX_S, corpus
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, Refused

MUTATIONS = 1000


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_is_refused_or_read(name: str) -> None:
    for data in corpus(name):
        began = time.process_time()
        with suppress(Refused):
            TARGETS[name].run(data)
        assert time.process_time() - began < INPUT_MAX_S


@pytest.mark.parametrize("name", TARGETS)
def test_whole_inputs_are_read(name: str) -> None:
    seeds = TARGETS[name].seeds()
    read = 0
    for data in seeds:
        with suppress(Refused):
            TARGETS[name].run(data)
            read += 1
    assert read >= len(seeds) // 3


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_break_nothing(name: str) -> None:
    rng, seeds = random.Random(name), [*TARGETS[name].seeds(), *corpus(name)]
    for _ in range(MUTATIONS):
        with suppress(Refused):
            TARGETS[name].run(mutated(rng, seeds))
