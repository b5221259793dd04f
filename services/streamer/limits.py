"""The refusal of what is too much at once."""

from libs.common.errors import ErrorCode, ServiceError


class TooMuch(ServiceError):
    """RATE_LIMITED; `retry_after_s` (whole seconds) says when to come again."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, message)
        self.retry_after_s = retry_after_s
