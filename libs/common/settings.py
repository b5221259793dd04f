"""The owner's settings: built-in default < `matinee.toml` < environment.

Every value is also an environment variable: `MATINEE_` + section + key (`MATINEE_GATEWAY_PORT`), lists
as JSON (`MATINEE_INDEXERS`, `MATINEE_USENET`, `MATINEE_DOWNLOADER_PASSWORDS`, the bands of `scoring`). Any
string may be `env:NAME` or `file:/path`, for secrets.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec
from msgspec.structs import fields, replace

from libs.common.errors import SettingsError
from libs.common.sections import BAND_KEYS, Jikan, OpenSubtitles, Scoring, Section, Tmdb, scoring_numbers

ENV_PREFIX = "MATINEE_"
SERVICES = ("catalog", "indexer", "downloader", "streamer", "janitor")
MASK = "••••"

_SECRET_KEYS = frozenset(
    {"token", "api_key", "username", "password", "passwords", "access_key_id", "secret_access_key", "secret"}
)
_MAX_PORT = 65_535
_LEAST_SECRET_CHARS = 32
_TEN_YEARS_DAYS = 3650
_LISTS = frozenset({("indexers",), ("usenet",), ("downloader", "passwords"), ("opensubtitles", "languages")})
# What the environment may hold beside settings: where a service listens, what the supervisor tells a child.
_NOT_SETTINGS = frozenset(
    {f"MATINEE_{s.upper()}_PORT" for s in SERVICES} | {"MATINEE_LIFELINE_FD", "MATINEE_INSTANCE_ID"}
)


Publish = Literal["browser", "original", "both"]


class Gateway(Section, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8080
    mode: Literal["owner", "accounts"] = "owner"


class Nats(Section, frozen=True, kw_only=True):
    url: str = ""


class IndexerSettings(Section, frozen=True, kw_only=True):
    name: str
    kind: Literal["newznab", "torznab", "prowlarr", "yts", "archive_org"] = "newznab"
    url: str
    api_key: str = ""
    priority: int = 0
    """Lower first: of one release at several indexers the first one's is taken."""
    queries_per_day: int = 0
    """How many searches it allows in 24 hours; 0: no limit."""
    grabs_per_day: int = 0
    """How many NZBs it gives in 24 hours; 0: no limit."""


class UsenetServer(Section, frozen=True, kw_only=True):
    host: str
    port: int = 563
    tls: bool = True
    allow_plaintext: bool = False
    ca_file: str = ""
    username: str = ""
    password: str = ""
    connections: int = 20
    priority: int = 0
    retention_days: int = 0


class Storage(Section, frozen=True, kw_only=True):
    kind: Literal["files", "s3"] = "files"
    endpoint: str = ""
    bucket: str = "matinee"
    region: str = "auto"
    access_key_id: str = "env:S3_ACCESS_KEY_ID"
    secret_access_key: str = "env:S3_SECRET_ACCESS_KEY"  # noqa: S105  (as above)
    url_ttl_s: int = 14_400


class Retention(Section, frozen=True, kw_only=True):
    after_ready_h: float = 24.0
    unwatched_days: float = 7.0


class Downloader(Section, frozen=True, kw_only=True):
    runner: Literal["process", "docker", "kubernetes", "none"] = "process"
    max_instances: int = 2
    warm: int = 0
    """Instances that wait for the next film: it begins sooner by a process's start, for some 100 MB each."""
    image: str = "matinee-downloader"
    scratch_dir: str = ""
    max_film_bytes: int = 100_000_000_000
    publish: Publish = "browser"
    """`browser`: a film that not every browser plays is repackaged so that it does, its picture untouched.
    `original`: the file as it was posted. `both`: that beside the repackaged one."""
    passwords: tuple[str, ...] = ()
    """Tried on encrypted archives, after those that a release itself tells."""


class Settings(Section, frozen=True, kw_only=True):
    data_dir: str = "data"
    public_url: str = ""
    """As people's browsers reach the gateway; `load` fills it in from `gateway` when it isn't set."""
    secret: str = ""
    gateway: Gateway = Gateway()
    nats: Nats = Nats()
    tmdb: Tmdb = Tmdb()
    jikan: Jikan = Jikan()
    opensubtitles: OpenSubtitles = OpenSubtitles()
    indexers: tuple[IndexerSettings, ...] = ()
    usenet: tuple[UsenetServer, ...] = ()
    storage: Storage = Storage()
    retention: Retention = Retention()
    downloader: Downloader = Downloader()
    scoring: Scoring = Scoring()

    @property
    def data(self) -> Path:
        return Path(self.data_dir).expanduser().absolute()

    @property
    def run_dir(self) -> Path:
        """Where running processes leave what others need to find them."""
        return self.data / "run"

    @property
    def scratch(self) -> Path:
        configured = self.downloader.scratch_dir
        return Path(configured).expanduser().absolute() if configured else self.data / "scratch"

    def database(self, service: str) -> Path:
        return self.data / "db" / f"{service}.sqlite3"

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, longest first, for scrubbing them from texts."""
        found = {value for key, value in _strings(msgspec.to_builtins(self)) if key in _SECRET_KEYS}
        found |= _secrets_of(self.nats.url)
        return tuple(sorted((s for s in found if len(s) >= 4), key=len, reverse=True))


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The effective settings. Raises `SettingsError` naming the key, the fault and what is possible.

    `path` must exist if given. `overrides` are dotted keys (`gateway.port`) from the command line.
    """
    env = os.environ if environ is None else environ
    chosen_ports(env)
    tree = _from_file(path) if path else {}
    for key, value in _from_environment(env):
        _put(tree, key, value)
    for dotted, value in (overrides or {}).items():
        _put(tree, tuple(dotted.split(".")), value)
    base = path.parent if path else Path.cwd()
    resolved = cast("dict[str, Any]", _resolve(_with_reference_defaults(tree), env, base, ""))
    try:
        settings = msgspec.convert(resolved, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(error)) from error
    if not settings.public_url:
        settings = replace(settings, public_url=f"http://{gateway_address(settings)}")
    _check(settings)
    return settings


def port_variable(service: str) -> str:
    return f"{ENV_PREFIX}{service.upper()}_PORT"


def chosen_ports(env: Mapping[str, str]) -> dict[str, int]:
    """The ports that services are told to listen on; 0 is any free one. Raises `SettingsError`."""
    found: dict[str, int] = {}
    for service in SERVICES:
        text = env.get(port_variable(service), "")
        if not text:
            continue
        if not (text.isascii() and text.isdecimal() and int(text) <= _MAX_PORT):
            raise SettingsError(
                f"{port_variable(service)} must be a port, 0 to {_MAX_PORT}, not {text[:40]!r}."
            )
        found[service] = int(text)
    return found


def gateway_address(settings: Settings) -> str:
    """Host and port by which this machine itself reaches the gateway, as they stand in a URL."""
    host = settings.gateway.host
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (compared, not listened on)
    return f"[{host}]:{settings.gateway.port}" if ":" in host else f"{host}:{settings.gateway.port}"


def as_environment(settings: Settings) -> dict[str, str]:
    """The same settings as environment variables: how a process hands them to one that it starts."""
    tree: dict[str, Any] = msgspec.to_builtins(settings)
    found: dict[str, str] = {}
    for key in _leaves(Settings, ()):
        value: Any = tree
        for part in key:
            value = value[part]
        found[_env_name(key)] = value if isinstance(value, str) else json.dumps(value)
    return found


def masked(settings: Settings) -> dict[str, Any]:
    """The settings as plain data with every secret replaced."""
    tree: dict[str, Any] = msgspec.to_builtins(settings)
    if userinfo := _userinfo(settings.nats.url):
        tree["nats"]["url"] = settings.nats.url.replace(f"{userinfo}@", f"{MASK}@", 1)

    def mask_all(node: Any) -> Any:
        if isinstance(node, list | tuple):
            return [MASK] * len(cast("list[Any]", node))
        return MASK if node else ""

    def mask(node: Any) -> Any:
        if isinstance(node, dict):
            items = cast("dict[str, Any]", node).items()
            return {k: mask_all(v) if k in _SECRET_KEYS else mask(v) for k, v in items}
        if isinstance(node, list | tuple):
            return [mask(v) for v in cast("list[Any]", node)]
        return node

    return cast("dict[str, Any]", mask(tree))


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        raise SettingsError(f"There is no settings file at {path}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error


def _from_environment(env: Mapping[str, str]) -> list[tuple[tuple[str, ...], Any]]:
    names = {_env_name(key): key for key in _leaves(Settings, ())}
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, text in env.items():
        if not name.startswith(ENV_PREFIX) or name in _NOT_SETTINGS:
            continue
        if name not in names:
            raise SettingsError(f"{name} is not a setting.{_nearest(name, names)}")
        key = names[name]
        found.append((key, _json_list(name, text) if key in _LISTS | BAND_KEYS else text))
    return found


def _json_list(name: str, text: str) -> Any:
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{name} must be a JSON list: {error}.") from error
    if not isinstance(value, list):
        raise SettingsError(f"{name} must be a JSON list.")
    return cast("list[Any]", value)


def _env_name(key: tuple[str, ...]) -> str:
    return ENV_PREFIX + "_".join(key).upper()


def _leaves(kind: type[Section], above: tuple[str, ...]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for field in fields(kind):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, Section):
            found += _leaves(inner, (*above, field.name))
        else:
            found.append((*above, field.name))
    return found


def _put(tree: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            raise SettingsError(f"[{part}] must be a section.")
        tree = cast("dict[str, Any]", below)
    tree[key[-1]] = value


def _with_reference_defaults(tree: dict[str, Any]) -> dict[str, Any]:
    """Defaults that are references (`env:…`) go through the same resolution as the owner's own values."""
    for section in (Tmdb, OpenSubtitles, Storage):
        name = section.__name__.lower()
        values = tree.setdefault(name, {})
        if isinstance(values, dict):
            for field in fields(section):
                if isinstance(field.default, str) and field.default.startswith("env:"):
                    cast("dict[str, Any]", values).setdefault(field.name, field.default)
    return tree


def _resolve(node: Any, env: Mapping[str, str], base: Path, where: str) -> Any:
    if isinstance(node, dict):
        items = cast("dict[str, Any]", node).items()
        return {k: _resolve(v, env, base, f"{where}.{k}".lstrip(".")) for k, v in items}
    if isinstance(node, list):
        return [_resolve(v, env, base, f"{where}[{i}]") for i, v in enumerate(cast("list[Any]", node))]
    if not isinstance(node, str):
        return node
    if node.startswith("env:"):
        # Missing is empty: who needs the value says so, in its own words, when it needs it.
        return env.get(node[4:], "")
    if node.startswith("file:"):
        file = base / node[5:]
        try:
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{where} points to {file}, which can't be read.") from error
    return node


def _explain(error: msgspec.ValidationError) -> str:
    text = str(error)
    path = text.rpartition(" - at `$.")[2].rstrip("`") if " - at `$." in text else ""
    reason = text.partition(" - at ")[0]
    if "unknown field" in reason:
        unknown = reason.rpartition("`")[0].rpartition("`")[2]
        where = f"{path}.{unknown}".lstrip(".")
        return f"{where} is not a setting.{_nearest(unknown, [f.name for f in fields(_type_at(path))])}"
    if "enum value" in reason:
        possible = " | ".join(map(str, get_args(_type_at(path))))
        return f"{path} can be {possible}; {reason[0].lower()}{reason[1:]}."
    return f"{path or 'The settings'}: {reason[0].lower()}{reason[1:]}."


def _type_at(path: str) -> Any:
    kind: Any = Settings
    lists: dict[str, type[Section]] = {"indexers": IndexerSettings, "usenet": UsenetServer}
    for part in filter(None, path.split(".")):
        name = part.partition("[")[0]
        kind = lists.get(name) or {f.name: f.type for f in fields(kind)}[name]
    return kind


def _nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f" Did you mean {close[0]}?" if close else ""


def _check(settings: Settings) -> None:
    _check_numbers(settings)
    _check_choices(settings)
    _check_addresses(settings)
    for i, server in enumerate(settings.usenet):
        if not server.host.strip():
            raise SettingsError(f"usenet[{i}].host is empty; it needs the name of the news server.")
        loopback = server.host in ("localhost", "127.0.0.1", "::1")
        if not server.tls and not loopback and not server.allow_plaintext:
            raise SettingsError(
                f"usenet[{i}].tls = false would send the password of {server.host} in the clear. "
                "Use TLS, or set allow_plaintext = true if you mean it."
            )
    names = [i.name for i in settings.indexers]
    if len(set(names)) != len(names):
        raise SettingsError("Two indexers have the same name; each needs its own.")
    if settings.secret and len(settings.secret) < _LEAST_SECRET_CHARS:
        raise SettingsError(
            f"secret must have at least {_LEAST_SECRET_CHARS} characters, for who guesses it is the owner; "
            "or leave it out, and one is made."
        )


def _check_numbers(settings: Settings) -> None:
    retention, downloader = settings.retention, settings.downloader
    numbers: list[tuple[str, float, float, float]] = [
        ("gateway.port", settings.gateway.port, 1, _MAX_PORT),
        # S3 signs for at most a week; shorter than a minute, and a film's start may already be too late.
        ("storage.url_ttl_s", settings.storage.url_ttl_s, 60, 604_800),
        ("retention.after_ready_h (0: for ever)", retention.after_ready_h, 0, _TEN_YEARS_DAYS * 24),
        ("retention.unwatched_days (0: for ever)", retention.unwatched_days, 0, _TEN_YEARS_DAYS),
        ("downloader.max_instances", downloader.max_instances, 1, 1000),
        ("downloader.warm (at most downloader.max_instances)", downloader.warm, 0, downloader.max_instances),
        ("downloader.max_film_bytes", downloader.max_film_bytes, 1, 10**15),
        ("tmdb.requests_per_s", settings.tmdb.requests_per_s, 1, 1000),
        ("tmdb.sync_requests_per_s (0: off)", settings.tmdb.sync_requests_per_s, 0, 1000),
        # Of three lists; the catalog keeps 20,000 titles.
        ("tmdb.list_pages", settings.tmdb.list_pages, 1, 300),
        # Each costs every encrypted release of which it isn't the password some 10 ms.
        ("The number of downloader.passwords", len(downloader.passwords), 0, 15),
        ("The number of opensubtitles.languages", len(settings.opensubtitles.languages), 1, 10),
    ]
    for i, server in enumerate(settings.usenet):
        numbers += [
            (f"usenet[{i}].port", server.port, 1, _MAX_PORT),
            (f"usenet[{i}].connections", server.connections, 1, 100),
            (f"usenet[{i}].retention_days", server.retention_days, 0, 100_000),
        ]
    for i, indexer in enumerate(settings.indexers):
        numbers += [
            (f"indexers[{i}].priority", indexer.priority, -1000, 1000),
            (f"indexers[{i}].queries_per_day (0: no limit)", indexer.queries_per_day, 0, 1_000_000),
            (f"indexers[{i}].grabs_per_day (0: no limit)", indexer.grabs_per_day, 0, 1_000_000),
        ]
    numbers += scoring_numbers(settings.scoring)
    for name, value, least, most in numbers:
        # Said in this way round, it is not true of what is no number (nan).
        if not least <= value <= most:
            raise SettingsError(f"{name} must be between {least:,} and {most:,}, not {value}.")


def _check_choices(settings: Settings) -> None:
    if settings.gateway.mode != "owner":
        raise SettingsError(f'gateway.mode = "{settings.gateway.mode}" is not there yet; use "owner".')
    if settings.downloader.runner not in ("process", "none"):
        raise SettingsError(
            f'downloader.runner = "{settings.downloader.runner}" is not there yet; use "process", '
            'or "none" if something else starts the instances.'
        )


def _check_addresses(settings: Settings) -> None:
    if not settings.gateway.host.strip():
        raise SettingsError("gateway.host is empty; 127.0.0.1 is this machine alone, 0.0.0.0 everybody.")
    _check_url("public_url", settings.public_url)
    _check_url("tmdb.url", settings.tmdb.url)
    _check_url("jikan.url", settings.jikan.url)
    _check_url("opensubtitles.url", settings.opensubtitles.url)
    for i, indexer in enumerate(settings.indexers):
        _check_url(f"indexers[{i}].url", indexer.url)
    if settings.storage.endpoint:
        _check_url("storage.endpoint", settings.storage.endpoint)
    elif settings.storage.kind == "s3":
        raise SettingsError('storage.endpoint is needed for storage.kind = "s3".')
    if settings.nats.url and not _is_of_nats(settings.nats.url):
        raise SettingsError("nats.url must be an address such as nats://127.0.0.1:4222.")


def _check_url(where: str, url: str) -> None:
    """The address itself isn't repeated: people paste keys into it."""
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{where} must be an address such as https://example.org.")
    if "@" in parts.netloc:
        raise SettingsError(
            f"{where} holds a user or password (what stands before the @), which addresses show to "
            "everybody who sees them: take it out."
        )


def _is_of_nats(url: str) -> bool:
    parts = _parts(url if "//" in url else f"nats://{url}")
    return bool(parts and parts.hostname and parts.scheme in ("nats", "tls", "ws", "wss"))


def _parts(url: str) -> SplitResult | None:
    """None if it can't be taken apart: brackets that don't close, a port that is no number."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _userinfo(url: str) -> str:
    """What stands before the @ of an address, also of one that can't be taken apart; empty if nothing."""
    return url.partition("//")[2].rpartition("@")[0] if "//" in url else url.rpartition("@")[0]


def _secrets_of(nats_url: str) -> set[str]:
    """The token, or the password beside a user; as it stands there and as it is sent."""
    user, _, password = _userinfo(nats_url).partition(":")
    secret = password or user
    return {secret, unquote(secret)}


def _strings(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string in the tree with the key it stands under."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict):
        for name, value in cast("dict[str, Any]", node).items():
            yield from _strings(value, name)
    elif isinstance(node, list | tuple):
        for value in cast("list[Any]", node):
            yield from _strings(value, key)
