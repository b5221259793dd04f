"""What goes wrong where the catalog asks.

ServiceError (libs.common.errors)
└── SourceError               a site that is asked failed; `passing` if it may be over soon
    ├── TmdbError             tmdb.py
    └── JikanError            jikan.py
"""

from libs.common.errors import ErrorCode, ServiceError


class SourceError(ServiceError):
    """`passing`: it may be over soon, so an older answer is better than none."""

    def __init__(self, code: ErrorCode, message: str, *, passing: bool) -> None:
        super().__init__(code, message)
        self.passing = passing
