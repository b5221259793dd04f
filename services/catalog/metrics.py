"""What /metrics says of the catalog's answers, its titles and its background tasks."""

from prometheus_client import Counter, Gauge

ANSWERS = Counter(
    "matinee_catalog_answers_total",
    "Answers by where they came from: database, cache, upstream; stale: any of the first two, as that failed",
    ["source"],
)
TITLES = Gauge("matinee_catalog_titles", "Titles: stored; due, of which TMDB is to be asked", ["state"])
RUNS = Counter("matinee_task_runs_total", "Runs of background tasks", ["task", "outcome"])
DONE = Counter("matinee_task_done_total", "Lists or titles brought up to date by a background task", ["task"])
LAST_RUN = Gauge("matinee_task_last_run_timestamp_seconds", "When a background task last began", ["task"])
NEXT_RUN = Gauge("matinee_task_next_run_timestamp_seconds", "When a background task runs next", ["task"])
