"""What can go wrong between the services and the people who use them.

ServiceError                  carries a public code and a sentence; crosses the wire as exactly those two
BusError                      the broker can't be used
├── BusUnavailable            not connected, or it doesn't answer
│   └── LogReplaced           the stream that was being read is another one now
└── Conflict                  compare-and-set lost against someone else
SettingsError                 the owner's settings are wrong: says which key, why, and what is possible
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The public error codes (movies API) and the statuses that go with them."""

    INVALID_INPUT = "INVALID_INPUT"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    CONFLICT = "CONFLICT"
    RATE_LIMITED = "RATE_LIMITED"
    NOT_FOUND = "NOT_FOUND"
    TMDB_ERROR = "TMDB_ERROR"
    JIKAN_ERROR = "JIKAN_ERROR"
    NZBGEEK_ERROR = "NZBGEEK_ERROR"
    USENET_ERROR = "USENET_ERROR"
    SUBTITLES_ERROR = "SUBTITLES_ERROR"
    STORAGE_ERROR = "STORAGE_ERROR"
    JOB_ERROR = "JOB_ERROR"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def status(self) -> int:
        return _STATUS[self]


_STATUS = {
    ErrorCode.INVALID_INPUT: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.TMDB_ERROR: 502,
    ErrorCode.JIKAN_ERROR: 502,
    ErrorCode.NZBGEEK_ERROR: 502,
    ErrorCode.USENET_ERROR: 502,
    ErrorCode.SUBTITLES_ERROR: 502,
    ErrorCode.STORAGE_ERROR: 502,
    ErrorCode.JOB_ERROR: 500,
    ErrorCode.INTERNAL_ERROR: 500,
}


class ServiceError(Exception):
    """A failure that a person gets to read: `code` for programs, `message` for people. Never a secret."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BusError(Exception):
    pass


class BusUnavailable(BusError):
    pass


class LogReplaced(BusUnavailable):
    pass


class Conflict(BusError):
    pass


class SettingsError(Exception):
    pass
