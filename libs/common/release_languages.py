"""The languages that release names tell, ISO 639-1; `multi` where a name says only that there are several."""

from libs.common.release_words import Words

_SPOKEN = {
    "en": r"english|engl?|ingles|inglés|ing|anglais",
    "de": r"(?:swiss)?german|ger|deutsch",
    "fr": r"(?:true~)?french|fra|fre|francais|français|vff?|vf[qi2]|vof",
    "it": r"italian[oa]?|ita",
    "es": r"spanish|esp|spa|castellano|latino|español|espanol|lat",
    "pt": r"portugu[eê]se?|por|pt~br|brazilian|dublado|dual~pt|portugues~br",
    "nl": r"dutch|nl|flemish|vlaams",
    "ru": r"russian|rus",
    "uk": r"ukrainian|ukr",
    "be": r"belarusian",
    "pl": r"polish|pol|pl|polski",
    "cs": r"czech|cze|cz",
    "sk": r"slovak|slo",
    "hu": r"hungarian|hun",
    "ro": r"romanian|rom",
    "bg": r"bulgarian|bg|bul",
    "el": r"greek|gre",
    "tr": r"turkish|tur|türkçe|turkce",
    "ar": r"arabic|ara",
    "he": r"hebrew|heb",
    "fa": r"persian|farsi",
    "hi": r"hindi|hin",
    "bn": r"bengali",
    "ta": r"tamil|tam",
    "te": r"telugu|tel",
    "ml": r"malayalam",
    "kn": r"kannada",
    "mr": r"marathi",
    "pa": r"punjabi",
    "gu": r"gujarati",
    "ur": r"urdu",
    "ja": r"japanese|jpn|jap|jp",
    "ko": r"korean|kor",
    "zh": r"chinese|chi|chs|cht|mandarin|cantonese|big5|(?<!\d[ .])gb",
    "th": r"thai|tha",
    "vi": r"vietnamese|vie",
    "id": r"indonesian",
    "ms": r"malay",
    "tl": r"tagalog|filipino",
    "mn": r"mongolian|khk",
    "sv": r"swedish|swe",
    "no": r"norwegian|nor",
    "da": r"danish|dan",
    "fi": r"finnish|fin",
    "is": r"icelandic",
    "lt": r"lithuanian",
    "lv": r"latvian|lav",
    "et": r"estonian",
    "hr": r"croatian|hrv",
    "sr": r"serbian|srp",
    "sl": r"slovenian|slv",
    "mk": r"macedonian|mkd",
    "bs": r"bosnian",
    "sq": r"albanian",
    "ca": r"catal[aàá]n?|cat",
    "eu": r"basque|euskera",
    "gl": r"galician|gallego",
    "af": r"afrikaans",
    "ka": r"georgian",
    "az": r"azerbaijani?|aze",
    "uz": r"uzbek(?:istan)?|uzb",
    "kk": r"kazakh|kaz",
    "hy": r"armenian",
    "rm": r"romansc?h|rumantsch",
}

# Subtitles in it say nothing of the sound.
_UNLESS_SUBTITLES = r"(?![ ._-]?(?:forced[ ._-]?)?(?:soft)?(?i:sub))(?<!sub-..)(?<!SUB-..)(?<!Sub-..)"

# In two letters only glued to what says that it is spoken: PLDUB, LEKPL, BGAUDIO.
LANGUAGES = Words(
    {
        r"multi(?:~(?:lang(?:uages?)?|audio))?\d?": "multi",
        **{
            rf"{words}|{code}(?:(?=dub|lek|audio)|(?<=dub{code})|(?<=lek{code}))": code
            for code, words in _SPOKEN.items()
        },
    },
    # PLDUB, and 2xUkr as often as there are voices.
    glued_before=r"|(?<=dub)|(?<=lek)|(?<=\dx)",
    glued_behind=r"|(?=dub|lek|audio)",
    unless=_UNLESS_SUBTITLES,
)

_CODES = "en de fr es pl ru uk ka lt lv bg sk hu cs ro sv da fi tr el he ja ko zh pt nl"
_LISTED = "it no ar is hi"
_OTHERS = {"UA": "uk", "CZ": "cs", "ML": "multi"}

# Two capitals, for the words of titles are the same in small letters; those of _LISTED only next to others.
LANGUAGE_CODES = Words(
    {
        **{code.upper(): code for code in _CODES.split()},
        **_OTHERS,
        **{
            rf"{code.upper()}(?=[-+/,.][A-Z]{{2}}(?![A-Za-z]))|(?<=[A-Z]{{2}}[-+/,]){code.upper()}": code
            for code in _LISTED.split()
        },
    },
    ignore_case=False,
    unless=_UNLESS_SUBTITLES,
)

# The scripts in which Chinese subtitles and titles are announced.
CHINESE = Words({r"[简繁]\w{0,6}|国语\w{0,6}|國語\w{0,6}|中[文字]\w{0,4}": "zh"})
