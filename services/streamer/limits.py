"""The refusal of what is too much at once."""

from collections.abc import Generator
from contextlib import contextmanager

from libs.common.errors import ErrorCode, ServiceError


class TooMuch(ServiceError):
    """RATE_LIMITED; `retry_after_s` (whole seconds) says when to come again."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, message)
        self.retry_after_s = retry_after_s


class Places:
    """For so many at once, and no more."""

    def __init__(self, most: int, refusal: str, *, retry_after_s: int) -> None:
        self._left = most
        self._refusal = refusal
        self._retry_after_s = retry_after_s

    @contextmanager
    def taken(self) -> Generator[None]:
        """One of them, for as long as the block runs. Raises TooMuch."""
        if self._left <= 0:
            raise TooMuch(self._refusal, retry_after_s=self._retry_after_s)
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1
