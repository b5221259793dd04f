"""`matinee jobs`: what is under way or ready."""

import argparse
import json
from typing import Any

from libs.cli.configuration import settings_of
from libs.cli.gateway import Gateway

PAGE = 100


def run(arguments: argparse.Namespace) -> int:
    with Gateway(settings_of(arguments)) as gateway:
        jobs: list[dict[str, Any]] = gateway.get("/jobs", limit=PAGE)["jobs"]
    for job in jobs:
        print(json.dumps(job, ensure_ascii=False) if arguments.json else _line(job))
    if not jobs and not arguments.json:
        print("There are no jobs.")
    return 0


def _line(job: dict[str, Any]) -> str:
    what = job.get("release_title") or f"film {job.get('movie_id')}"
    return f"{job['job_id']}  {job['status']:<11} {job['progress']:>5.1f} %  {what}"
