"""Changes to bytes that make parsers stumble: none of it knows a format."""

import random
from collections.abc import Sequence

INTERESTING = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
    10**12,
    2**63,
    2**64 - 1,
)
CHANGES_MAX = 8
INPUT_BYTES_MAX = 200_000


def mutated(rng: random.Random, pool: Sequence[bytes]) -> bytes:
    """One of the pool, changed in a few places."""
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, CHANGES_MAX)):
        _change(rng, data, pool)
    return bytes(data[:INPUT_BYTES_MAX])


def _change(rng: random.Random, data: bytearray, pool: Sequence[bytes]) -> None:
    # Headers are at the beginning and at the end.
    at = min(int(len(data) * rng.random() ** rng.choice((1, 3))), max(len(data) - 1, 0))
    at = at if rng.random() < 0.7 else max(len(data) - 1 - at, 0)
    end = min(at + rng.choice((1, 2, 4, 8, 64, 1000)), len(data))
    kind = rng.randrange(8)
    if kind == 0 and data:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1 and data:
        data[at] = rng.randrange(256)
    elif kind == 2:
        number = rng.choice(INTERESTING) + rng.choice((-1, 0, 0, 1))
        length = rng.choice((1, 2, 4, 8))
        data[at : at + length] = (number % 256**length).to_bytes(length, rng.choice(("little", "big")))
    elif kind == 3:
        del data[at:end]
    elif kind == 4:
        data[at:at] = data[at:end] * rng.choice((1, 1, 2, 50))
    elif kind == 5:
        other = rng.choice(pool)
        start = rng.randrange(len(other) + 1)
        data[at:at] = other[start : start + rng.choice((8, 64, 1000))]
    elif kind == 6:
        target = rng.randrange(len(data) + 1)
        data[target : target + end - at] = data[at:end]
    elif rng.random() < 0.2:
        del data[at:]
