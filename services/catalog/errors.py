"""What goes wrong where the catalog asks.

ServiceError (libs.common.errors)
└── SourceError               a site that is asked failed; `passing` if it may be over soon
    ├── TmdbError             tmdb.py
    └── JikanError            jikan.py
"""

from libs.common.errors import ErrorCode, ServiceError


class SourceError(ServiceError):
    """`passing`: it may be over soon, so an older answer is better than none.

    `retry_after_s`: how long the site asks to be left alone, if it does.
    """

    def __init__(
        self, code: ErrorCode, message: str, *, passing: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message)
        self.passing = passing
        self.retry_after_s = retry_after_s
