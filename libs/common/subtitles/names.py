"""What a subtitle file's name says: `Film.en.forced.srt`, `2_English.srt`, `Film.pt-BR.sdh.ass`."""

import re
from typing import Final

import msgspec

ENDINGS: Final = frozenset({"srt", "vtt", "ass", "ssa", "sub"})

# ISO 639-2/B (as Matroska says it), ISO 639-1, and the words that people write.
_TABLE: Final = """
alb sq sqi albanian shqip|ara ar arabic|arm hy hye armenian|baq eu eus basque
bel be belarusian|ben bn bengali|bos bs bosnian|bul bg bulgarian|bur my mya burmese
cat ca catalan|chi zh zho chinese chs cht mandarin cantonese|cze cs ces czech cesky
dan da danish dansk|dut nl nld dutch nederlands flemish|eng en english|est et estonian
fil tl tgl filipino tagalog|fin fi finnish suomi|fre fr fra french francais vff vostfr
geo ka kat georgian|ger de deu german deutsch|glg gl galician|gre el ell greek
heb he iw hebrew|hin hindi|hrv hr scr croatian hrvatski|hun hu hungarian magyar
ice is isl icelandic|ind id indonesian|ita it italian italiano|jpn ja jp japanese
kan kn kannada|kaz kk kazakh|khm km khmer|kor ko korean|lav lv latvian|lit lt lithuanian
mac mk mkd macedonian|mal ml malayalam|mar mr marathi|may ms msa malay|mon mn mongolian
nor no nob nno nb nn norwegian norsk bokmal|per fa fas persian farsi|pol pl polish polski
por pt pob pb portuguese portugues brazilian|rum ro ron romanian|rus ru russian|sin si sinhala
slo sk slk slovak|slv sl slovenian|spa es esp spanish espanol castellano latin latino
srp sr scc serbian srpski|swe sv swedish svenska|tam ta tamil|tel te telugu|tha th thai
tur tr turkish turkce|ukr uk ukrainian|urd ur urdu|vie vi vietnamese
"""
_LANGUAGES: Final = {
    word: row.split()[0] for row in _TABLE.replace("\n", "|").split("|") if row for word in row.split()
}
_VARIANTS: Final = {
    "br": "Brazil", "brazilian": "Brazil", "pob": "Brazil", "pb": "Brazil", "latin": "Latin America",
    "latino": "Latin America", "419": "Latin America", "chs": "Simplified", "hans": "Simplified",
    "cn": "Simplified", "simplified": "Simplified", "cht": "Traditional", "hant": "Traditional",
    "tw": "Traditional", "hk": "Traditional", "traditional": "Traditional", "cantonese": "Cantonese",
}  # fmt: skip
_FORCED: Final = frozenset({"forced", "foreign"})
_IMPAIRED: Final = frozenset({"sdh", "cc", "hi", "hearing", "impaired"})
_NOISE: Final = frozenset(
    {
        "sub",
        "subs",
        "subtitle",
        "subtitles",
        "full",
        "track",
        "utf8",
        "utf",
        "default",
        "us",
        "gb",
        "uk",
        "eu",
    }
    | {"es", "mx", "pt", "ca", "fr", "de", "for", "the"}
)
_WORDS: Final = re.compile(r"[^\W_]+")
_WORDS_MAX: Final = 8


class Named(msgspec.Struct, frozen=True, kw_only=True):
    language: str | None = None
    """ISO 639-2/B"""
    title: str | None = None
    """What tells it from others of its language: `Brazil`, `Simplified`, `Commentary`."""
    is_forced: bool = False
    is_for_hearing_impaired: bool = False


def described(path: str, film: str = "") -> Named:
    """Read from the name's end: what stands behind the film's own name (`film`, a path), else its last words.

    `hi` means hearing impaired beside a language, else Hindi. A folder such as `Subs/English` tells, too.
    """
    folder, _, base = path.replace("\\", "/").rpartition("/")
    stem, dot, _ = base.rpartition(".")
    stem = (stem if dot else base).casefold()
    film_stem = film.replace("\\", "/").rpartition("/")[2].rpartition(".")[0].casefold()
    tail = stem[len(film_stem) :] if film_stem and stem.startswith(film_stem) else stem
    words = _WORDS.findall(tail)[-_WORDS_MAX:]
    found = _read(words)
    if found.language is None and (last := folder.rpartition("/")[2].casefold()) in _LANGUAGES:
        return msgspec.structs.replace(found, language=_LANGUAGES[last])
    return found


def _read(words: list[str]) -> Named:
    language, title = None, None
    is_forced = is_impaired = is_hindi = False
    for word in reversed(words):
        if word in _FORCED:
            is_forced = True
        elif word in _IMPAIRED:
            is_hindi = is_hindi or word == "hi"
            is_impaired = True
        elif word == "commentary":
            title = "Commentary"
        elif word in _VARIANTS:
            title = title or _VARIANTS[word]
            language = language or _LANGUAGES.get(word)
        elif language is None and word in _LANGUAGES:
            language = _LANGUAGES[word]
        elif not (word in _NOISE or word.isdecimal()):
            break
    if is_hindi and language is None:
        return Named(language="hin", title=title, is_forced=is_forced)
    return Named(language=language, title=title, is_forced=is_forced, is_for_hearing_impaired=is_impaired)
