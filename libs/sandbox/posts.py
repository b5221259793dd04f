"""Posts files to the sandbox's news server: NZB bytes, and articles that are encoded when asked for."""

import random
from binascii import b2a_uu
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Literal

import msgspec
from sabctools import yenc_encode

ARTICLE_BYTES = 716_800
FILM_ARTICLE_BYTES = 100_000
GROUP = "alt.binaries.matinee"
POSTER = "projectionist@example.invalid (Projectionist)"
YENC_LINE_BYTES = 128
UU_LINE_BYTES = 45
YENC_GROWTH = 1.032
"""Escapes and line ends add 3.2 % to ordinary bytes; segment sizes in an NZB are as rough elsewhere."""


Encoding = Literal["yenc", "uu"]


class Article(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stretch of a file on disk under a message-id (without angle brackets)."""

    message_id: str
    path: Path
    offset: int
    size_bytes: int
    part: int
    total: int
    file_bytes: int
    name: str
    subject: str
    release: str
    """The title of its post"""
    posted_at: datetime
    encoding: Encoding = "yenc"

    @property
    def segment_bytes(self) -> int:
        """About how many bytes the article has on the wire."""
        return int(self.size_bytes * YENC_GROWTH) + 160

    def head(self) -> bytes:
        """The article's headers, each line with CRLF."""
        lines = (
            "Path: sandbox!not-for-mail",
            f"From: {POSTER}",
            f"Newsgroups: {GROUP}",
            f"Subject: {self.subject}",
            f"Date: {format_datetime(self.posted_at)}",
            f"Message-ID: <{self.message_id}>",
            f"Bytes: {self.segment_bytes}",
        )
        return "".join(f"{line}\r\n" for line in lines).encode()

    def body(self, *, corrupt: bool = False) -> tuple[bytes, bytes, bytes]:
        """The body in three pieces, without the closing dot.

        No line begins with a dot, so there is nothing to stuff (RFC 3977 §3.1.1): the encoder escapes a dot
        at the beginning of a line, and looking for one again would cost a third of the server's time.
        Corrupt: one byte is not what the checksum was made over; of what has no checksum a line is lost.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            raw = file.read(self.size_bytes)
        if self.encoding == "uu":
            begin = f"begin 644 {self.name}\r\n".encode() if self.part == 1 else b""
            return (
                begin,
                _uuencoded(raw, corrupt=corrupt),
                b"`\r\nend\r\n" if self.part == self.total else b"",
            )
        encoded, crc32 = yenc_encode(raw)
        if corrupt and raw:
            middle = len(raw) // 2
            encoded, _ = yenc_encode(raw[:middle] + bytes([raw[middle] ^ 0x55]) + raw[middle + 1 :])
        return self._begin(), encoded, self._end(crc32 & 0xFFFFFFFF)

    def _begin(self) -> bytes:
        if self.total == 1:
            return f"=ybegin line={YENC_LINE_BYTES} size={self.file_bytes} name={self.name}\r\n".encode()
        return (
            f"=ybegin part={self.part} total={self.total} line={YENC_LINE_BYTES} size={self.file_bytes}"
            f" name={self.name}\r\n=ypart begin={self.offset + 1} end={self.offset + self.size_bytes}\r\n"
        ).encode()

    def _end(self, crc32: int) -> bytes:
        if self.total == 1:
            return f"\r\n=yend size={self.size_bytes} crc32={crc32:08x}\r\n".encode()
        return f"\r\n=yend size={self.size_bytes} part={self.part} pcrc32={crc32:08x}\r\n".encode()


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What a poster has in hand afterwards. `size_bytes` is the sum of the NZB's segments."""

    title: str
    nzb: bytes
    message_ids: tuple[str, ...]
    size_bytes: int


class ArticleIndex:
    """Every article of one sandbox by message-id."""

    def __init__(self) -> None:
        self._articles: dict[str, Article] = {}

    def get(self, message_id: str) -> Article | None:
        return self._articles.get(message_id)

    def post(
        self,
        paths: Sequence[Path],
        *,
        title: str,
        article_bytes: int = ARTICLE_BYTES,
        obfuscate: bool = False,
        nameless: bool = False,
        encoding: Encoding = "yenc",
        posted_at: datetime | None = None,
    ) -> Post:
        """Registers the files' articles and gives their NZB. The files must stay as they are.

        The same unchanged files under the same title always get the same message-ids. Obfuscated: neither
        subjects nor yEnc names tell the files' names. Nameless: there are no yEnc names either.
        """
        posted_at = posted_at or datetime.now(UTC)
        files = [
            list(
                _articles(
                    path,
                    number,
                    len(paths),
                    title,
                    article_bytes,
                    posted_at,
                    obfuscate=obfuscate or nameless,
                    nameless=nameless,
                    encoding=encoding,
                )
            )
            for number, path in enumerate(paths, 1)
        ]
        articles = [article for file in files for article in file]
        self._articles.update((article.message_id, article) for article in articles)
        return Post(
            title=title,
            nzb=_nzb(title, files),
            message_ids=tuple(article.message_id for article in articles),
            size_bytes=sum(article.segment_bytes for article in articles),
        )


def _articles(
    path: Path,
    number: int,
    files: int,
    title: str,
    article_bytes: int,
    posted_at: datetime,
    *,
    obfuscate: bool,
    nameless: bool,
    encoding: Encoding,
) -> Iterator[Article]:
    facts = path.stat()
    seed = f"{title}\0{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{article_bytes}\0{obfuscate}"
    seed += "\0nameless" if nameless else ""
    if encoding == "uu":
        article_bytes -= article_bytes % UU_LINE_BYTES
    rng = random.Random(blake2b(seed.encode()).digest())
    name = _word(rng, 24) if obfuscate else path.name
    total = max(1, -(-facts.st_size // article_bytes))
    counter = f'[{number:0{len(str(files))}}/{files}] - "{name}" yEnc'
    hidden = _word(rng, 40)
    for part in range(1, total + 1):
        offset = (part - 1) * article_bytes
        yield Article(
            message_id=f"{_word(rng, 10)}.{_word(rng, 14)}@{_word(rng, 6)}.sandbox.invalid",
            path=path,
            offset=offset,
            size_bytes=min(article_bytes, facts.st_size - offset),
            part=part,
            total=total,
            file_bytes=facts.st_size,
            name="" if nameless else name,
            subject=hidden if obfuscate else f"{title} {counter} ({part}/{total}) {facts.st_size}",
            release=title,
            posted_at=posted_at,
            encoding=encoding,
        )


def _uuencoded(data: bytes, *, corrupt: bool) -> bytes:
    lines = [
        b2a_uu(data[at : at + UU_LINE_BYTES], backtick=True).rstrip(b"\n") + b"\r\n"
        for at in range(0, len(data), UU_LINE_BYTES)
    ]
    if corrupt:
        del lines[len(lines) // 2]
    return b"".join(b"." * line.startswith(b".") + line for line in lines)


def _word(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=length))


def _nzb(title: str, files: Iterable[Sequence[Article]]) -> bytes:
    """NZB 1.1, as sabnzbd.org/wiki/extra/nzb-spec describes it."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE nzb PUBLIC "-//newzBin//DTD NZB 1.1//EN" "http://www.newzbin.com/DTD/nzb/nzb-1.1.dtd">',
        '<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">',
        f'<head><meta type="title">{escape(title)}</meta></head>',
    ]
    for articles in files:
        first = articles[0]
        date = int(first.posted_at.timestamp())
        lines.append(f'<file poster="{escape(POSTER)}" date="{date}" subject="{escape(first.subject)}">')
        lines.append(f"<groups><group>{GROUP}</group></groups><segments>")
        lines.extend(
            f'<segment bytes="{article.segment_bytes}" number="{article.part}">{article.message_id}</segment>'
            for article in articles
        )
        lines.append("</segments></file>")
    lines.append("</nzb>\n")
    return "\n".join(lines).encode()
