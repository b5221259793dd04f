"""OpenSubtitles' REST API version 1 as far as films go: log in, search, download within a quota."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec

from libs.sandbox.faults import HANG_S, Counters, FaultSwitch
from libs.sandbox.titles import Programme, Title
from libs.sandbox.web import Request, Response, json_response

PREFIX = "/opensubtitles/api/v1"
QUOTA = 20
LANGUAGES = {
    "en": "Well, here we are.",
    "de": "Schön, da sind wir.",
    "ru": "Ну вот мы и здесь.",
    "pt-br": "Cá estamos.",
}
ENCODINGS = {"ru": "cp1251", "de": "cp1252"}
"""Old files are in old encodings; the site hands them out as they came."""
_JWT = "sandbox.jwt.token"


class _Login(msgspec.Struct):
    username: str
    password: str


class _Download(msgspec.Struct):
    file_id: int


class OpenSubtitles:
    """A text in each of LANGUAGES for every title of the programme; file ids are title * 10 + language."""

    def __init__(
        self,
        programme: Programme,
        faults: FaultSwitch,
        counters: Counters,
        *,
        api_key: str,
        username: str,
        password: str,
    ) -> None:
        self.base_url = ""
        self._programme = programme
        self._faults = faults
        self._counters = counters
        self._api_key = api_key
        self._account = (username, password)
        self._used = 0

    async def handle(self, request: Request) -> Response:
        path = request.path.removeprefix(PREFIX)
        self._counters.http[f"opensubtitles {path}"] += 1
        faults = self._faults.current.opensubtitles
        if faults.hang:
            await asyncio.sleep(HANG_S)
        if faults.status is not None:
            return json_response({"message": "throttled", "status": faults.status}, status=faults.status)
        if path.startswith("/files/"):
            return self._file(int(path.removeprefix("/files/").removesuffix(".srt")))
        if request.headers.get("api-key") != self._api_key or not request.headers.get("user-agent"):
            return json_response({"message": "You cannot consume this service"}, status=403)
        match request.method, path:
            case "POST", "/login":
                return self._login(msgspec.json.decode(request.body, type=_Login))
            case "GET", "/subtitles":
                return self._search(request)
            case "POST", "/download":
                return self._download(request, msgspec.json.decode(request.body, type=_Download).file_id)
            case _:
                return json_response({"message": "Not found"}, status=404)

    def _login(self, login: _Login) -> Response:
        if (login.username, login.password) != self._account:
            return json_response({"message": "Error, invalid username/password", "status": 401}, status=401)
        user = {"allowed_downloads": QUOTA, "level": "Sub leecher", "user_id": 1, "vip": False}
        return json_response(
            {"user": user, "base_url": "api.opensubtitles.com", "token": _JWT, "status": 200}
        )

    def _search(self, request: Request) -> Response:
        """Parameters must be in order, and numbers without zeros before them: the site redirects others."""
        query = request.query
        if list(query) != sorted(query):
            return Response(status=301, headers={"location": f"{self.base_url}{PREFIX}/subtitles"})
        languages = query.get("languages", ",".join(LANGUAGES)).split(",")
        data = [
            _subtitle(title, number, language, query.get("moviehash"))
            for title in self._programme
            if _is_asked_for(title, query.get("tmdb_id"), query.get("imdb_id"))
            for number, language in enumerate(LANGUAGES)
            if language in languages
        ]
        return json_response(
            {"total_pages": 1, "total_count": len(data), "per_page": 50, "page": 1, "data": data}
        )

    def _download(self, request: Request, file_id: int) -> Response:
        resets_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=9)
        quota = QUOTA if request.headers.get("authorization") == f"Bearer {_JWT}" else QUOTA // 4
        is_used_up = self._faults.current.opensubtitles.quota_used_up or self._used >= quota
        answer = {
            "requests": self._used + (not is_used_up),
            "remaining": 0 if is_used_up else quota - self._used - 1,
            "message": "You have downloaded your allowed subtitles for 24h." if is_used_up else "",
            "reset_time": "09 hours and 00 minutes",
            "reset_time_utc": resets_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        if is_used_up:
            return json_response(answer, status=406)
        self._used += 1
        link = {"link": f"{self.base_url}{PREFIX}/files/{file_id}.srt", "file_name": f"{file_id}.srt"}
        return json_response(answer | link)

    def _file(self, file_id: int) -> Response:
        title_id, place = divmod(file_id, 10)
        language = list(LANGUAGES)[place]
        times = [(f"00:00:{n * 4:02},000", f"00:00:{n * 4 + 3:02},000") for n in range(10)]
        said = f"{LANGUAGES[language]} ({title_id})"
        text = "".join(f"{n}\r\n{a} --> {b}\r\n{said}\r\n\r\n" for n, (a, b) in enumerate(times, 1))
        body = text.encode(ENCODINGS.get(language, "utf-8"))
        return Response(content_type="application/x-subrip", body=body)


def _is_asked_for(title: Title, tmdb_id: str | None, imdb_id: str | None) -> bool:
    imdb_number = int(title.imdb_id.removeprefix("tt")) if title.imdb_id else None
    return str(title.id) == tmdb_id or (imdb_id is not None and str(imdb_number) == imdb_id)


def _subtitle(title: Title, number: int, language: str, moviehash: str | None) -> dict[str, object]:
    release = f"{title.title.replace(' ', '.')}.{title.year}.1080p.WEB.H264-SANDBOX"
    attributes = {
        "subtitle_id": str(title.id * 10 + number),
        "language": language,
        "download_count": 1000 - number,
        "hearing_impaired": language == "de",
        "foreign_parts_only": False,
        "ai_translated": False,
        "machine_translated": language == "pt-br",
        "from_trusted": True,
        "moviehash_match": moviehash == "8e245d9679d31e12",
        "release": release,
        "files": [{"file_id": title.id * 10 + number, "cd_number": 1, "file_name": f"{release}.srt"}],
    }
    return {"id": str(title.id * 10 + number), "type": "subtitle", "attributes": attributes}
