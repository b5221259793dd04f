"""The gateway's HTTP API, as the command line uses it."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, cast

import httpx

from libs.cli.failure import CommandFailed
from libs.cli.running import SERVICES_FILE, read_json
from libs.common.installation import installation_secret
from libs.common.settings import Settings
from services.streamer.auth.tokens import mint

SESSION = "cli"
TOKEN_TTL_S = 300
TIMEOUT_S = 60.0


class Gateway:
    """Speaks as the owner: who can read this installation's secret is the owner. A context manager."""

    def __init__(self, settings: Settings) -> None:
        self._secret = installation_secret(settings)
        streamer: Any = read_json(settings.run_dir / SERVICES_FILE).get("streamer")
        # Beside a running one, straight to it: the public address may be a proxy's.
        self._url = str(cast("dict[str, Any]", streamer)["url"]) if streamer else settings.public_url
        self._client = httpx.Client(base_url=self._url, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """The answer to GET /api/movies-on-demand{path}. Raises `CommandFailed` in the gateway's words."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        # A new token each time: a film may be followed for longer than a token lives.
        token = mint(self._secret, session=SESSION, ttl_s=TOKEN_TTL_S, now=datetime.now(UTC))
        try:
            response = self._client.request(
                method,
                f"/api/movies-on-demand{path}",
                headers={"Authorization": f"Bearer {token}"},
                **content,
            )
            answer: Any = response.json()
        except httpx.HTTPError as error:
            raise CommandFailed(
                f"Nobody answers at {self._url} ({type(error).__name__}): start Matinee by `matinee up`, "
                "or name its data directory by --data."
            ) from error
        except ValueError as error:
            raise CommandFailed(f"What answers at {self._url} is not Matinee.") from error
        if not isinstance(answer, dict):
            raise CommandFailed(f"What answers at {self._url} is not Matinee.")
        fields = cast("dict[str, Any]", answer)
        if response.is_error:
            raise CommandFailed(str(fields.get("error", f"The gateway answered {response.status_code}.")))
        return fields
