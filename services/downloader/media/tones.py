"""Tables that bring a picture of high dynamic range (PQ, SMPTE ST 2084) to what any screen shows.

For previews: brightness and colour are brought near, each by itself, on 8 bits of full range. libswscale does
it by the book, and takes 2.4 s for its table each time.
"""

from typing import Final

_M1, _M2 = 1305 / 8192, 2523 / 32
_C1, _C2, _C3 = 107 / 128, 2413 / 128, 2392 / 128
_WHITE_NITS: Final = 203
"""Of paper in the picture (BT.2408)."""
_PEAK: Final = 1000 / _WHITE_NITS
_COLOUR_GAIN: Final = 1.5
"""BT.2020's colours, read as BT.709's, look pale."""


def _nits(code: float) -> float:
    root = code ** (1 / _M2)
    return 10_000 * (max(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def _shown(value: int) -> int:
    light = min(_nits(value / 255) / _WHITE_NITS, _PEAK)
    mapped = light * (1 + light / _PEAK**2) / (1 + light)
    return round(255 * mapped ** (1 / 2.2))


BRIGHTNESS: Final = bytes(_shown(value) for value in range(256))
COLOUR: Final = bytes(min(max(round(128 + (value - 128) * _COLOUR_GAIN), 0), 255) for value in range(256))
