"""What /metrics says of indexers and of choosing."""

from prometheus_client import Counter, Gauge, Histogram

SEARCHES = Counter("matinee_indexer_searches_total", "Searches at an indexer", ["indexer", "outcome"])
DROPPED = Counter("matinee_indexer_dropped_total", "Items that were left out", ["indexer"])
RESTING_UNTIL = Gauge(
    "matinee_indexer_resting_until_seconds",
    "Unix time until which it is left alone; 0: it isn't",
    ["indexer"],
)
QUERIES_TODAY = Gauge("matinee_indexer_queries_today", "Queries of the last 24 hours", ["indexer"])
GRABS_TODAY = Gauge("matinee_indexer_grabs_today", "NZBs fetched in the last 24 hours", ["indexer"])
SEARCH_MS = Histogram(
    "search_latency_ms",
    "From a question about a title to what all indexers said",
    buckets=(1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 15_000),
)
SCORE_MS = Histogram(
    "score_latency_ms", "Scoring all offers of a title", buckets=(0.5, 1, 2.5, 5, 10, 25, 50, 100, 250)
)
