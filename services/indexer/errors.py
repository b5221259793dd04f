"""What can go wrong between an indexer and us.

IndexerFailed      an indexer couldn't be asked, or its answer couldn't be used
└── IndexerRests   it wasn't asked: it has to be left alone for now
"""


class IndexerFailed(Exception):
    """`str(error)` is for people and has no secrets. It counts against the indexer.

    `rest_s`: how long it has to be left alone at least, if that is known.
    """

    def __init__(self, message: str, rest_s: float = 0.0) -> None:
        super().__init__(message)
        self.rest_s = rest_s


class IndexerRests(IndexerFailed):
    """Nothing was asked, so nothing counts."""
