"""What is read of a name: no folders, site, ending and what was hung on it; and where each letter was."""

import re
import unicodedata
from collections.abc import Sequence

import msgspec

MAX_NAME_CHARS = 300
"""What follows is not looked at: the longest file names have 255."""

Span = tuple[int, int]
"""Where something begins in a name, and where the first character after it is."""

_EXTENSION = re.compile(
    r"\.(?:(?i:mkv|mp4|m4v|avi|m2ts|wmv|mov|mpe?g|webm|flv|iso|nzb|torrent|rar|zip|7z|par2|srt|ass|sub|nfo)|ts)$"
)
_DOMAIN = r"[\w-]{2,40}(?:\.[\w-]{2,20})?\.(?:com|net|org|info|xyz|cc|tv|to|me|ru|pl|it|in|co|lol|site)"
_SITE = re.compile(
    rf"[\[( ]*www\.[\w-]{{1,40}}(?:\.[a-z]{{2,8}}){{1,2}}[\]) ._-]{{1,5}}"
    rf"|[\[({{][^\[\](){{}}]{{0,30}}\b{_DOMAIN}[^\[\](){{}}]{{0,10}}[\])}}][ ._-]{{0,5}}(?=\w|\[)",
    re.IGNORECASE,
)
# What those who post a release again hang on its name.
_REPOST = re.compile(
    r"[-_. ](?:obfuscated|obfuscation|scrambled|postbot|xpost|rakuv\w{0,12}|whiterev|buymore|asrequested|"
    r"gerov|repost|"
    r"alternativetorequested|chamele0n|alteZachen|z0ids3n|nzbgeek|4p|4planet|"
    r"\[?(?:rartv|rarbg|ettv|tgx|eztv(?:[ .]\w{2,3})?|rarbg\.com)\]?)$"
    r"|(?<=\w)-(?:rp|pre|bunny|1)$"
    rf"|-?[ .]?\[(?:rartv|rarbg|ettv|tgx|eztv(?:[ .]\w{{2,3}})?|[0-9a-f]{{8}}|{_DOMAIN})\][-_. ]?$"
    rf"|[ .]?\(\s?(?:www\.)?{_DOMAIN}\)$|[-_. ]{{1,3}}www\.{_DOMAIN}$"
    r'|[ .]?\[\d{1,3}/\d{1,3}\].*"$|[ .]yenc$',
    re.IGNORECASE,
)
_FOLDER = re.compile(r"[\\/](?<=\S.)(?:(?=\S{8})|(?=\S[^\\/|]{3,}\.\w{2,4}$))")
_SAYS_SOMETHING = re.compile(
    r"(?<![A-Za-z0-9])(?:\d{3,4}[pi]|S\d+|S\d+E\d+|\d+x\d+|E\d+|(?:19|20)\d\d|[xh]\.?26[45])(?![A-Za-z0-9])"
    r"|[._ \[(-](?:web|blu-?ray|hdtv|dvd|xvid)|[\[_ -]\d\d",
    re.IGNORECASE,
)
_EPISODE = re.compile(r"(?<![A-Za-z0-9])(?:S\d+[ ._-]?E\d+|\d{1,2}x\d\d)(?!\d)", re.IGNORECASE)
# Full-width forms are narrow ones in other clothes, and every bracket is a bracket.
_BRACKETS = dict(zip(map(ord, "【】「」『』〔〕《》_\u3000\u200b–—’"), "[][][][][]   --'", strict=True))
_PLAIN = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | _BRACKETS


class Text(msgspec.Struct, frozen=True):
    """What is read of a name; `origins` has the place in it of each of the characters, and of the end."""

    text: str
    origins: Sequence[int]

    def span(self, start: int, end: int) -> Span:
        """Where text[start:end] is in the name, with all of its last letter's accents."""
        while start < end < len(self.text) and self.origins[end] == self.origins[end - 1]:
            end += 1
        return self.origins[start], self.origins[end]

    def piece(self, start: int, end: int) -> "Text":
        return Text(self.text[start:end], self.origins[start : end + 1])


def read(name: str) -> Text:
    """Never raises. The first MAX_NAME_CHARS of `name` count; of folder and file the one that says more."""
    return _trimmed(_named(_composed(name[:MAX_NAME_CHARS])))


def _composed(name: str) -> Text:
    """Each letter one character (NFC), each separator one of a few."""
    if name.isascii():
        plain = name.replace("_", " ") if name.isprintable() else "".join(map(_plain, name))
        return Text(plain, range(len(name) + 1))
    letters: list[str] = []
    origins: list[int] = []
    for start, end in _clusters(name):
        composed = unicodedata.normalize("NFC", name[start:end])
        letters += map(_plain, composed.translate(_PLAIN))
        origins += [start] * (len(letters) - len(origins))
    return Text("".join(letters), [*origins, len(name)])


def _clusters(name: str) -> list[Span]:
    starts = [at for at, character in enumerate(name) if at == 0 or not unicodedata.combining(character)]
    return list(zip(starts, [*starts[1:], len(name)], strict=True))


def _plain(character: str) -> str:
    return " " if character == "_" or not character.isprintable() else character


def _named(name: Text) -> Text:
    """Of the folders and files in a path the one that says most; a slash inside brackets is none."""
    if "/" not in name.text and "\\" not in name.text:
        return name
    ends = [
        match.start() for match in _FOLDER.finditer(name.text) if not _bracketed(name.text, match.start())
    ]
    begin, parts = 0, list[Text]()
    for end in [*ends, len(name.text)]:
        parts.append(name.piece(begin, end))
        begin = end + 1
    if len(parts) == 1 or _EPISODE.search(parts[-1].text):
        return parts[-1]
    # What a file says in a few letters its folder often says in full.
    return max(reversed(parts), key=lambda part: len(_SAYS_SOMETHING.findall(part.text)))


def _bracketed(text: str, at: int) -> bool:
    return any(text.count(opening, 0, at) > text.count(closing, 0, at) for opening, closing in ("[]", "()"))


def _trimmed(name: Text) -> Text:
    text = name.text
    site = _SITE.match(text)
    begin = site.end() if site else len(text) - len(text.lstrip())
    end = len(text.rstrip())
    while True:
        rest = text[begin:end]
        tail = _EXTENSION.search(rest) or _REPOST.search(rest)
        if tail is None or not tail.start():
            return name.piece(begin, max(begin, end))
        end = begin + len(rest[: tail.start()].rstrip())
