"""Settings: default < file < environment, references, and errors that name the key."""

from pathlib import Path

import pytest

from libs.common.errors import SettingsError
from libs.common.settings import MASK, as_environment, load, masked

FULL = """
data_dir = "d"
[gateway]
port = 9000
[tmdb]
token = "env:MY_TMDB"
[[indexers]]
name = "Geek"
url = "https://api.example.org"
api_key = "file:key.txt"
[[usenet]]
host = "news.example.com"
username = "me"
password = "env:NEWS_PASS"
[retention]
after_ready_h = 0.5
"""
ENV = {"MY_TMDB": "tmdb-token", "NEWS_PASS": "news-pass"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "key.txt").write_text("geek-key\n")
    path = tmp_path / "matinee.toml"
    path.write_text(FULL)
    return path


def test_defaults_need_nothing() -> None:
    settings = load(environ={})
    assert (settings.gateway.port, settings.public_url) == (8080, "http://127.0.0.1:8080")
    assert settings.tmdb.token == ""
    assert settings.storage.kind == "files"


def test_file_references_and_environment(file: Path) -> None:
    settings = load(file, {**ENV, "MATINEE_GATEWAY_PORT": "9001", "MATINEE_RETENTION_UNWATCHED_DAYS": "0.25"})
    assert settings.gateway.port == 9001
    assert settings.public_url == "http://127.0.0.1:9001"
    assert settings.tmdb.token == "tmdb-token"
    assert settings.indexers[0].api_key == "geek-key"
    assert settings.usenet[0].password == "news-pass"
    assert (settings.retention.after_ready_h, settings.retention.unwatched_days) == (0.5, 0.25)


def test_lists_come_as_json_and_replace_the_file(file: Path) -> None:
    value = '[{"name": "B", "url": "http://127.0.0.1:1", "api_key": "env:K"}]'
    settings = load(file, {**ENV, "MATINEE_INDEXERS": value, "K": "from-env"})
    assert [(i.name, i.api_key) for i in settings.indexers] == [("B", "from-env")]


def test_bands_are_lists_of_three(tmp_path: Path) -> None:
    path = tmp_path / "matinee.toml"
    path.write_text("[scoring]\nmb_per_min_4k = [1, 2, 3]\n")
    scoring = load(path, {"MATINEE_SCORING_MB_PER_MIN_720P": "[0.5, 1.5, 2.5]"}).scoring
    assert (scoring.mb_per_min_4k, scoring.mb_per_min_720p) == ((1, 2, 3), (0.5, 1.5, 2.5))


def test_known_passwords_are_a_list_of_secrets(tmp_path: Path) -> None:
    path = tmp_path / "matinee.toml"
    path.write_text("[downloader]\npasswords = ['first one', 'env:SECOND']\n")
    settings = load(path, {"SECOND": "second one"})
    assert settings.downloader.passwords == ("first one", "second one")
    assert {"first one", "second one"} <= set(settings.secrets())
    assert masked(settings)["downloader"]["passwords"] == [MASK, MASK]
    assert masked(load(environ={}))["downloader"]["passwords"] == []
    told = load(environ={"MATINEE_DOWNLOADER_PASSWORDS": '["third one"]'})
    assert told.downloader.passwords == ("third one",)


def test_overrides_of_the_command_line_win(file: Path) -> None:
    settings = load(file, {**ENV, "MATINEE_GATEWAY_PORT": "9001"}, {"gateway.port": 9002, "data_dir": "x"})
    assert (settings.gateway.port, settings.data_dir) == (9002, "x")


@pytest.mark.parametrize(
    ("text", "env", "says"),
    [
        ("[gateway]\nprot = 1\n", {}, "gateway.prot is not a setting. Did you mean port?"),
        ("[gatway]\nport = 1\n", {}, "gatway is not a setting. Did you mean gateway?"),
        ("[gateway]\nport = 'x'\n", {}, "gateway.port: expected `int`"),
        ("[storage]\nkind = 'r2'\n", {}, "storage.kind can be files | s3"),
        ("[storage]\nkind = 's3'\n", {}, "storage.endpoint is needed"),
        ("[[usenet]]\nport = 1\n", {}, "usenet[0]: object missing required field `host`"),
        ("[[usenet]]\nhost = 'h'\ntls = false\n", {}, "in the clear"),
        ("[[usenet]]\nhost = 'h'\nconnections = 0\n", {}, "usenet[0].connections must be between"),
        ("[[usenet]]\nhost = 'h'\npassword = 'file:nowhere'\n", {}, "usenet[0].password points to"),
        ("[tmdb]\nurl = 'ftp://x'\n", {}, "tmdb.url must be an address"),
        ("[tmdb]\nurl = 'http://[::1'\n", {}, "tmdb.url must be an address"),
        ("[tmdb]\nurl = 'http://a:b'\n", {}, "tmdb.url must be an address"),
        ("public_url = 'example.org'\n", {}, "public_url must be an address"),
        ("[storage]\nendpoint = 'bucket.example.org'\n", {}, "storage.endpoint must be an address"),
        ("[nats]\nurl = 'nats://[::1'\n", {}, "nats.url must be an address"),
        ("[nats]\nurl = 'http://127.0.0.1'\n", {}, "nats.url must be an address"),
        ("[retention]\nafter_ready_h = -1\n", {}, "(0: for ever) must be between 0 and 87,600, not -1.0"),
        ("[retention]\nafter_ready_h = 1e9\n", {}, "must be between 0 and 87,600"),
        ("[retention]\nafter_ready_h = nan\n", {}, "must be between 0 and 87,600, not nan"),
        ("[retention]\nunwatched_days = inf\n", {}, "must be between 0 and 3,650, not inf"),
        ("", {"MATINEE_RETENTION_UNWATCHED_DAYS": "nan"}, "retention.unwatched_days"),
        ("[storage]\nurl_ttl_s = 59\n", {}, "storage.url_ttl_s must be between 60 and 604,800, not 59"),
        ("[storage]\nurl_ttl_s = 604801\n", {}, "storage.url_ttl_s must be between"),
        ("[tmdb]\nrequests_per_s = 0\n", {}, "tmdb.requests_per_s must be between 1 and 1,000, not 0"),
        ("[tmdb]\nsync_requests_per_s = -1\n", {}, "tmdb.sync_requests_per_s (0: off) must be between 0"),
        ("[tmdb]\nlist_pages = 501\n", {}, "tmdb.list_pages must be between 1 and 300, not 501"),
        ("[gateway]\nport = 0\n", {}, "gateway.port must be between 1 and 65,535, not 0"),
        ("[gateway]\nport = 65536\n", {}, "gateway.port must be between"),
        ("[gateway]\nhost = ''\n", {}, "gateway.host is empty"),
        ("[gateway]\nmode = 'accounts'\n", {}, 'gateway.mode = "accounts" is not there yet'),
        ("[downloader]\nrunner = 'docker'\n", {}, 'downloader.runner = "docker" is not there yet'),
        ("[downloader]\nmax_instances = 0\n", {}, "downloader.max_instances must be between 1"),
        ("[downloader]\nwarm = -1\n", {}, "max_instances) must be between 0 and 2, not -1"),
        ("[downloader]\nwarm = 3\n", {}, "max_instances) must be between 0 and 2, not 3"),
        ("[[usenet]]\nhost = 'h'\nport = 70000\n", {}, "usenet[0].port must be between 1"),
        (
            "[[indexers]]\nname = 'a'\nurl = 'http://a'\ngrabs_per_day = -1\n",
            {},
            "indexers[0].grabs_per_day (0: no limit) must be between 0 and 1,000,000, not -1.",
        ),
        ("[scoring]\nhealth = -1\n", {}, "scoring.health must be between 0 and 1,000, not -1.0"),
        ("[scoring]\nhealth = 0\nquality = 0\nsize = 0\nconsistency = 0\n", {}, "sum of scoring's four"),
        ("[scoring]\nmb_per_min_4k = [5, 5, 9]\n", {}, "scoring.mb_per_min_4k[1] (more than the one before)"),
        ("[scoring]\nmb_per_min_4k = [5, 6]\n", {}, "scoring.mb_per_min_4k"),
        ("", {"MATINEE_SCORING_MB_PER_MIN_720P": "[1, 2, nope]"}, "must be a JSON list"),
        (
            "[[usenet]]\nhost = 'h'\nretention_days = -1\n",
            {},
            "usenet[0].retention_days must be between 0 and 100,000, not -1.",
        ),
        ("[[usenet]]\nhost = ' '\n", {}, "usenet[0].host is empty"),
        ("secret = 'too short to be one'\n", {}, "secret must have at least 32 characters"),
        ("gateway = 3\n", {"MATINEE_GATEWAY_PORT": "1"}, "[gateway] must be a section"),
        ("x = = 1\n", {}, "is not valid TOML"),
        (f"[downloader]\npasswords = {16 * ['x']}\n", {}, "downloader.passwords must be between 0 and 15"),
        ("", {"MATINEE_DOWNLOADER_PASSWORDS": "open sesame"}, "MATINEE_DOWNLOADER_PASSWORDS must be a JSON"),
        ("", {"MATINEE_GATEWAY_PROT": "1"}, "Did you mean MATINEE_GATEWAY_PORT?"),
        ("", {"MATINEE_USENET": "{}"}, "MATINEE_USENET must be a JSON list"),
        ("", {"MATINEE_USENET": "["}, "MATINEE_USENET must be a JSON list"),
        (
            "[[indexers]]\nname='a'\nurl='http://a'\n[[indexers]]\nname='a'\nurl='http://b'\n",
            {},
            "Two indexers have the same name",
        ),
    ],
)
def test_errors_name_the_key_and_what_is_possible(
    tmp_path: Path, text: str, env: dict[str, str], says: str
) -> None:
    path = tmp_path / "matinee.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(path, env)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no settings file at"):
        load(tmp_path / "none.toml", {})


def test_secrets_are_masked_and_known(file: Path) -> None:
    settings = load(file, ENV)
    text = str(masked(settings))
    assert MASK in text
    for secret in ("tmdb-token", "geek-key", "news-pass"):
        assert secret in settings.secrets()
        assert secret not in text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("public_url", "public_url = 'https://{0}@example.org'"),
        ("tmdb.url", "[tmdb]\nurl = 'https://me:{0}@example.org'"),
        ("storage.endpoint", "[storage]\nendpoint = 'https://{0}@s3.example.org'"),
        ("indexers[0].url", "[[indexers]]\nname = 'a'\nurl = 'https://{0}:@example.org'"),
        ("indexers[0].url", "[[indexers]]\nname = 'a'\nurl = 'ftp://example.org/?apikey={0}'"),
        ("indexers[0].url", "[[indexers]]\nname = 'a'\nurl = 'https://u:{0}@[::1'"),
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(tmp_path: Path, key: str, text: str) -> None:
    path = tmp_path / "matinee.toml"
    path.write_text(text.format("hunter2"))
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    assert str(caught.value).startswith(key)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown", "secrets"),
    [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222", ()),
        ("nats://t0k3n@127.0.0.1:4222", f"nats://{MASK}@127.0.0.1:4222", ("t0k3n",)),
        ("tls://matinee:p%40ss@nats.example.org", f"tls://{MASK}@nats.example.org", ("p%40ss", "p@ss")),
        ("t0k3n@localhost:4222", f"{MASK}@localhost:4222", ("t0k3n",)),
    ],
)
def test_what_is_secret_of_the_brokers_address(url: str, shown: str, secrets: tuple[str, ...]) -> None:
    settings = load(None, {"MATINEE_NATS_URL": url})
    assert masked(settings)["nats"]["url"] == shown
    assert settings.secrets() == secrets


@pytest.mark.parametrize(
    ("host", "public_url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("192.0.2.1", "http://192.0.2.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_where_the_gateway_is_reached(host: str, public_url: str) -> None:
    assert load(None, {"MATINEE_GATEWAY_HOST": host}).public_url == public_url


def test_settings_survive_the_way_through_the_environment(file: Path) -> None:
    settings = load(file, ENV)
    assert load(None, as_environment(settings)) == settings
