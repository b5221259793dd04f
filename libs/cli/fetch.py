"""`matinee fetch "title"`: finds the film, asks for it, follows it until it is ready."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from libs.cli.configuration import settings_of
from libs.cli.failure import FAILED, WRONG_USE, CommandFailed
from libs.cli.gateway import Gateway

LOOK_EVERY_S = 1.0
SUGGESTIONS = 5


def run(arguments: argparse.Namespace) -> int:
    if not arguments.title.strip():
        raise CommandFailed("Name the film that you want: matinee fetch 'The Matrix'.", WRONG_USE)
    with Gateway(settings_of(arguments)) as gateway:
        movie = choose(
            gateway.get("/search", query=arguments.title)["results"], arguments.title, arguments.year
        )
        order: dict[str, Any] = {"mode": "auto"}
        if arguments.quality:
            order["quality_preference"] = arguments.quality
        job = gateway.post(f"/movies/{movie['id']}/fetch", order)
        if not arguments.json:
            print(f"{_name(movie)}: {job['job_id']}")
        return _follow(gateway, job, _show_json if arguments.json else _show)


def choose(found: list[dict[str, Any]], title: str, year: int | None) -> dict[str, Any]:
    """The film that is meant: of that year, of exactly that title if there is one, else the first found.

    Raises `CommandFailed` that tells what else there is.
    """
    of_year = [movie for movie in found if year is None or movie["year"] == year]
    if not of_year:
        others = ", ".join(map(_name, found[:SUGGESTIONS]))
        raise CommandFailed(
            f'No film "{title}"{f" of {year}" if year else ""} was found.'
            + (f" There is: {others}." if others else "")
        )
    exact = [movie for movie in of_year if movie["title"].casefold() == title.casefold()]
    return (exact or of_year)[0]


def _name(movie: dict[str, Any]) -> str:
    return f"{movie['title']} ({movie['year'] or 'year unknown'})"


def _follow(gateway: Gateway, job: dict[str, Any], show: Callable[[dict[str, Any], str], str]) -> int:
    shown = ""
    while True:
        shown = show(job, shown)
        if job["status"] == "ready":
            return 0
        if job["status"] in ("error", "deleted"):
            print(job["error_message"] or f"The job is {job['status']}.", file=sys.stderr)
            return FAILED
        time.sleep(LOOK_EVERY_S)
        job = gateway.get(f"/jobs/{job['job_id']}")


def _show_json(job: dict[str, Any], before: str) -> str:
    """The job, as the gateway tells it, whenever it changed."""
    text = json.dumps(job, ensure_ascii=False)
    if text != before:
        print(text, flush=True)
    return text


def _show(job: dict[str, Any], before: str) -> str:
    """A line that rewrites itself on a terminal; elsewhere one line for each status."""
    on_terminal = sys.stdout.isatty()
    text = f"{job['status']} {job['progress']:.0f} %" if on_terminal else job["status"]
    if text != before:
        over = job["status"] in ("ready", "error", "deleted")
        print(
            f"\r{text:<30}" if on_terminal else text, end="" if on_terminal and not over else "\n", flush=True
        )
    return text
