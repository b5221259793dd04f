"""Texts from OpenSubtitles over real wires: the catalog asked over NATS, the sandbox asked over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from libs.common import queries
from libs.common.bus import Bus
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import FindSubtitles, GetSubtitle, Query, SubtitleList, SubtitleText
from libs.common.sections import OpenSubtitles, Tmdb
from libs.common.service import connect
from libs.common.settings import Nats, Settings
from libs.sandbox.faults import Faults, OpenSubtitlesFaults
from libs.sandbox.sandbox import Sandbox
from services.catalog.app import body
from tests.conftest import NatsServer
from tests.support.service import running

KEY = "tmdb:movie:900002"
HASH = "8e245d9679d31e12"


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as made:
        yield made


@pytest.fixture
def settings(sandbox: Sandbox, nats_server: NatsServer, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=str(tmp_path / "data"),
        nats=Nats(url=nats_server.url),
        tmdb=Tmdb(url=sandbox.tmdb_url, token=sandbox.tmdb_token),
        opensubtitles=OpenSubtitles(
            url=sandbox.opensubtitles_url,
            api_key=sandbox.opensubtitles_api_key,
            username=sandbox.opensubtitles_username,
            password=sandbox.opensubtitles_password,
            languages=("en", "de"),
        ),
    )


class Catalog:
    """Asks a catalog with these settings; each `asked` is a process of its own that starts and stops."""

    def __init__(self, settings: Settings, bus: Bus) -> None:
        self.settings, self.bus = settings, bus

    async def asked(self, *asks: Query) -> list[SubtitleList | SubtitleText | ServiceError]:
        bus = await connect(self.settings, "catalog")
        answers: list[SubtitleList | SubtitleText | ServiceError] = []
        async with running("catalog", self.settings, bus, body):
            # Endpoints are subscribed a moment after the task starts.
            await asyncio.sleep(0.2)
            for ask in asks:
                kind = SubtitleList if isinstance(ask, FindSubtitles) else SubtitleText
                try:
                    answers.append(await queries.ask(self.bus, ask, kind))
                except ServiceError as refusal:
                    answers.append(refusal)
        await bus.close()
        return answers


@pytest.fixture
def catalog(settings: Settings, bus: Bus) -> Catalog:
    return Catalog(settings, bus)


async def test_what_there_is_in_the_owners_languages(catalog: Catalog) -> None:
    [found, other] = await catalog.asked(
        FindSubtitles(title_key=KEY), FindSubtitles(title_key=KEY, languages=("pt-BR",), moviehash=HASH)
    )
    assert isinstance(found, SubtitleList)
    assert [(s.language, s.is_for_hearing_impaired) for s in found.subtitles] == [("en", False), ("de", True)]
    assert "Paper.Lanterns" in found.subtitles[0].release
    assert found.quota is None
    assert isinstance(other, SubtitleList)
    assert [(s.language, s.is_machine_made, s.is_of_this_file) for s in other.subtitles] == [
        ("pt-br", True, True)
    ]


async def test_a_text_comes_as_webvtt_whatever_its_encoding(catalog: Catalog) -> None:
    answers = await catalog.asked(*(GetSubtitle(title_key=KEY, language=name) for name in ("en", "de", "ru")))
    for answer, words in zip(
        answers, ("Well, here we are.", "Schön, da sind wir.", "Ну вот мы и здесь."), strict=True
    ):
        assert isinstance(answer, SubtitleText)
        assert answer.vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n" + words)
    last = answers[-1]
    assert isinstance(last, SubtitleText)
    assert last.quota is not None
    assert last.quota.remaining == 17
    assert last.quota.resets_at is not None


async def test_what_was_downloaded_once_costs_nothing_again(catalog: Catalog, sandbox: Sandbox) -> None:
    wanted = GetSubtitle(title_key=KEY, language="en")
    [first] = await catalog.asked(wanted)
    [second, by_number] = await catalog.asked(wanted, replace(wanted, file_id=9000020))
    assert isinstance(first, SubtitleText)
    assert isinstance(second, SubtitleText)
    assert isinstance(by_number, SubtitleText)
    assert first.vtt == second.vtt == by_number.vtt
    http = sandbox.counters.http
    assert (
        http["opensubtitles /subtitles"],
        http["opensubtitles /download"],
        http["opensubtitles /login"],
    ) == (1, 1, 1)


async def test_without_an_account_the_quota_is_smaller(catalog: Catalog, sandbox: Sandbox) -> None:
    anonymous = replace(catalog.settings.opensubtitles, username="", password="")
    catalog.settings = replace(catalog.settings, opensubtitles=anonymous)
    [text] = await catalog.asked(GetSubtitle(title_key=KEY, language="en"))
    assert isinstance(text, SubtitleText)
    assert text.quota is not None
    assert text.quota.remaining == 4
    assert sandbox.counters.http["opensubtitles /login"] == 0


@pytest.mark.parametrize(
    ("ask", "faults", "code", "words"),
    [
        (
            GetSubtitle(title_key=KEY, language="en"),
            OpenSubtitlesFaults(quota_used_up=True),
            "RATE_LIMITED",
            "used up",
        ),
        (FindSubtitles(title_key=KEY), OpenSubtitlesFaults(status=429), "RATE_LIMITED", "slow down"),
        (
            FindSubtitles(title_key=KEY),
            OpenSubtitlesFaults(status=403),
            "SUBTITLES_ERROR",
            "does not accept the key",
        ),
        (FindSubtitles(title_key=KEY), OpenSubtitlesFaults(status=500), "SUBTITLES_ERROR", "OpenSubtitles"),
        (GetSubtitle(title_key=KEY, language="ja"), OpenSubtitlesFaults(), "NOT_FOUND", "no such text"),
        (
            GetSubtitle(title_key="tmdb:movie:1", language="en"),
            OpenSubtitlesFaults(),
            "NOT_FOUND",
            "no such text",
        ),
        (
            GetSubtitle(title_key=KEY, language="en", file_id=5),
            OpenSubtitlesFaults(),
            "NOT_FOUND",
            "no such text",
        ),
        (FindSubtitles(title_key="../etc"), OpenSubtitlesFaults(), "INVALID_INPUT", "key is such as"),
        (
            FindSubtitles(title_key="tmdb:movie:9999999999"),
            OpenSubtitlesFaults(),
            "INVALID_INPUT",
            "no title",
        ),
        (
            FindSubtitles(title_key=KEY, languages=("en&x=1",)),
            OpenSubtitlesFaults(),
            "INVALID_INPUT",
            "language",
        ),
    ],
)
async def test_refusals_say_what_to_do(
    catalog: Catalog, sandbox: Sandbox, ask: Query, faults: OpenSubtitlesFaults, code: str, words: str
) -> None:
    sandbox.faults.set(Faults(opensubtitles=faults))
    [refusal] = await catalog.asked(ask)
    assert isinstance(refusal, ServiceError)
    assert (refusal.code, words in refusal.message) == (ErrorCode(code), True), refusal.message
    assert not any(secret in refusal.message for secret in catalog.settings.secrets())


async def test_a_wrong_account_and_a_missing_key_are_told(catalog: Catalog) -> None:
    site = catalog.settings.opensubtitles
    for changed, words in (
        (replace(site, password="wrong-password"), "does not accept"),
        (replace(site, api_key=""), "No OpenSubtitles key is set"),
    ):
        catalog.settings = replace(catalog.settings, opensubtitles=changed)
        [refusal] = await catalog.asked(GetSubtitle(title_key=KEY, language="en"))
        assert isinstance(refusal, ServiceError)
        assert words in refusal.message


async def test_episodes_are_asked_for_by_their_show(catalog: Catalog, sandbox: Sandbox) -> None:
    [found] = await catalog.asked(FindSubtitles(title_key="tmdb:tv:1399:1:2"))
    assert found == SubtitleList(subtitles=())
    assert sandbox.counters.http["opensubtitles /subtitles"] == 1
