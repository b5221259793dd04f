"""What an instance and the gateway agree on, so that a film plays while it is still being fetched."""

from libs.common.security import sign

FILM_PATH = "/film"
TOKEN_HEADER = "x-matinee-play"  # noqa: S105  (where it is, not what it is)
URGENCY_HEADER = "x-matinee-urgency"
"""Whose a read of the film is: `fill` waits for the bytes as the fetching brings them; else a player's."""
MEND_S = 300.0
"""How long a read waits for lost bytes to be mended before its response is broken off."""


def play_token(secret: bytes, job_id: str, attempt: int, delivery: int) -> str:
    """What an instance asks of whoever wants its film: only who shares the installation's secret has it."""
    return sign(secret, "play", job_id, str(attempt), str(delivery))
