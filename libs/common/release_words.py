"""The words of release names, and what each of them means. Order counts: the first pattern that fits wins."""

import re
from collections.abc import Iterator, Mapping

import msgspec


class Found(msgspec.Struct, frozen=True):
    """A word at its place in a name."""

    start: int
    end: int
    value: str


class Words:
    """A field's vocabulary: patterns of whole words, each with its value. `~` is one separator, or none."""

    def __init__(self, patterns: Mapping[str, str], *, ignore_case: bool = True) -> None:
        self._values = list(patterns.values())
        any_of = "|".join(
            f"(?P<w{number}>{pattern.replace('~', '[ ._-]?')})" for number, pattern in enumerate(patterns)
        )
        self._regex = re.compile(
            f"(?<![A-Za-z0-9])(?:{any_of})(?![A-Za-z0-9])", re.IGNORECASE if ignore_case else 0
        )

    def find(self, text: str, start: int = 0) -> Iterator[Found]:
        for match in self._regex.finditer(text, start):
            yield Found(match.start(), match.end(), self._values[int((match.lastgroup or "w0")[1:])])


RESOLUTION = Words(
    {
        r"4320p|7680~x~4320": "4320p",
        r"2160[pi]|3840~x~(?:2160|1600|1634|1744)|4096~x~2160": "2160p",
        r"1440p|2560~x~1440": "1440p",
        r"1080i": "1080i",
        r"1080p(?:24|25|30|50|60)?|1920~x~\d{3,4}|fhd|full~hd": "1080p",
        r"720[pi](?:24|25|30|50|60)?|1280~x~\d{3}|960~x~720": "720p",
        r"576[pi]|(?:720|1024|768)~x~57\d": "576p",
        r"540[pi]|960~x~540": "540p",
        r"480[pi]|(?:640|704|720|848|852|854)~x~4\d\d": "480p",
        r"360[pi]|640~x~360": "360p",
    }
)
# Said of the master or the shelf as often as of the picture: they count only where no number does.
VAGUE_RESOLUTION = Words({r"4k|uhd|ultra~hd": "2160p", r"8k": "4320p"})

SOURCE = Words(
    {
        r"(?:hd|hq|new)?~cam~rip|hd~cam|hqcam": "CAM",
        r"(?:hd|hq)~ts(?:~rip)?|tele~sync|ts~rip|pre~dvd(?:~rip)?|pdvd(?:~rip)?": "TS",
        r"(?:hd|hq)~tc(?:~rip)?|tele~cine|tc~rip": "TC",
        r"(?:dvd|bd|br|web|hd)~scr(?:eener)?|screener": "SCR",
        r"work~print": "WORKPRINT",
        r"hd~dvd(?:~rip)?": "HD-DVD",
        r"(?:uhd~)?blu~ray~(?:rip|mux)?|u?(?:bd|br)~(?:rip|mux|remux|iso)(?:mux)?|uhd~bd": "BluRay",
        r"bd~(?:25|50|66|100)": "BluRay",
        r"web~(?:rip|cap)|hdweb~rip|(?:web~)?dl~rip|vod~rip": "WEBRip",
        r"web~(?:dl|hd|uhd)|(?:hd|uhd)~web|(?:web|dl)~mux|itunes~hd": "WEB-DL",
        r"(?:a|u|uhd)?hd~tv~(?:rip|mux)?|dtv~rip": "HDTV",
        r"[ps]dtv(?:~rip)?|dsr(?:ip)?|(?:tv|sat|dvb|dsr|ppv)~rip|dvb": "SDTV",
        r"dvd~(?:rip|r|5|9|mux|full|remux)|(?:ntsc|pal)~dvd\d?": "DVD",
        r"hd~rip": "HDRip",
        r"vhs(?:~rip)?": "VHS",
    }
)
# In these letters, and not where a title may still be.
SHORT_SOURCE = Words(
    {
        r"CAM": "CAM",
        r"TS": "TS",
        r"TC": "TC",
        r"SCR": "SCR",
        r"WP": "WORKPRINT",
        r"BD|BR|Blu": "BluRay",
        r"WEB|Web": "WEB-DL",
        r"DVD|Dvd|R5": "DVD",
        r"TV": "SDTV",
    },
    ignore_case=False,
)

CODEC = Words(
    {
        r"[xh]~265|hevc(?:10)?": "H.265",
        r"[xh]~264|avc|hi10p?": "H.264",
        r"[xh]~266|vvc": "H.266",
        r"av1": "AV1",
        r"vp9": "VP9",
        r"xvid": "XviD",
        r"divx\d?": "DivX",
        r"mpeg~2|h~262": "MPEG-2",
        r"vc~1": "VC-1",
    }
)
BIT_DEPTH = Words({r"10~bits?|hi10p?|hevc10|yuv420p10": "10", r"12~bits?": "12", r"8~bits?": "8"})
HDR = Words(
    {
        r"dv|dovi|dolby~vision|dv(?=hdr)": "DV",
        r"hdr10~(?:\+|plus|p)": "HDR10+",
        r"hdr10": "HDR10",
        r"hdr(?:~rip)?": "HDR",
        r"hlg": "HLG",
        r"sdr": "SDR",
    }
)

_CHANNELS = r"(?:~\d[. ]\d(?:ch)?|~[268]ch)?"
AUDIO = Words(
    {
        r"dts~hd~(?:ma|master~audio)" + _CHANNELS: "DTS-HD MA",
        r"dts~hd~(?:hra?|high~resolution)?" + _CHANNELS: "DTS-HD",
        r"dts~(?::x|x)" + _CHANNELS: "DTS:X",
        r"dts(?:~es)?" + _CHANNELS: "DTS",
        r"true~hd" + _CHANNELS: "TrueHD",
        r"atmos" + _CHANNELS: "Atmos",
        r"(?:ddp|ddpa|dd\+|e~ac~3|eac3|dolby~digital~plus)" + _CHANNELS: "E-AC-3",
        r"(?:dd|ac~3d?|dolby~digital)" + _CHANNELS: "AC-3",
        r"(?:he~|q)?aac(?:~lc)?" + _CHANNELS: "AAC",
        r"flac" + _CHANNELS: "FLAC",
        r"opus" + _CHANNELS: "Opus",
        r"l?pcm" + _CHANNELS: "PCM",
        r"(?:ogg|vorbis)" + _CHANNELS: "Vorbis",
        r"mp3" + _CHANNELS: "MP3",
    }
)

# ISO 639-1; `multi` where a name says only that there are several.
LANGUAGES = Words(
    {
        r"multi(?:~(?:lang(?:uages?)?|audio))?\d?": "multi",
        r"english|eng": "en",
        r"german|ger|deutsch": "de",
        r"(?:true~)?french|fra|fre|vf[fqi2]?|vof|truefrench": "fr",
        r"italian|ita": "it",
        r"spanish|esp|spa|castellano|latino|español|espanol": "es",
        r"portuguese|por|pt~br|dublado|dual~pt": "pt",
        r"dutch|nl|flemish": "nl",
        r"russian|rus": "ru",
        r"ukrainian|ukr": "uk",
        r"polish|pol|pl|lektor~pl|pldub": "pl",
        r"czech|cze|cz": "cs",
        r"slovak": "sk",
        r"hungarian|hun": "hu",
        r"romanian|rom": "ro",
        r"bulgarian": "bg",
        r"greek": "el",
        r"turkish|tur": "tr",
        r"arabic|ara": "ar",
        r"hebrew|heb": "he",
        r"persian|farsi": "fa",
        r"hindi|hin": "hi",
        r"tamil|tam": "ta",
        r"telugu|tel": "te",
        r"malayalam": "ml",
        r"kannada": "kn",
        r"japanese|jpn|jap|jp": "ja",
        r"korean|kor": "ko",
        r"chinese|chi|chs|cht|mandarin|cantonese": "zh",
        r"thai": "th",
        r"vietnamese|vie": "vi",
        r"indonesian": "id",
        r"swedish|swe": "sv",
        r"norwegian|nor": "no",
        r"danish|dan": "da",
        r"finnish|fin": "fi",
        r"icelandic": "is",
        r"lithuanian": "lt",
        r"latvian": "lv",
        r"estonian": "et",
        r"croatian": "hr",
        r"serbian": "sr",
        r"catalan": "ca",
    }
)

EDITION = Words(
    {
        r"director'?s?~cut|dc": "Director's Cut",
        r"(?:ultimate|super)~(?:extended|cut|edition)(?:~(?:cut|edition))?": "Ultimate",
        r"extended(?:~(?:cut|edition|version))?|rogue~cut": "Extended",
        r"final~cut": "Final Cut",
        r"theatrical(?:~(?:cut|edition|version))?": "Theatrical",
        r"un~rated(?:~(?:cut|edition|version))?": "Unrated",
        r"un~cut|uncensored": "Uncut",
        r"imax(?:~edition)?": "IMAX",
        r"criterion(?:~(?:collection|edition))?": "Criterion",
        r"(?:4k~)?re~mastered|4k~remaster|restored": "Remastered",
        r"special~edition": "Special Edition",
        r"collector'?s?~edition": "Collector's Edition",
        r"(?:\d\d(?:th|st|nd|rd)~)?anniversary(?:~edition)?": "Anniversary",
        r"open~matte": "Open Matte",
        r"despeciali[sz]ed(?:~edition)?": "Despecialized",
        r"black~and~chrome": "Black and Chrome",
    }
)

FLAGS = Words(
    {
        r"proper\d?": "PROPER",
        r"repack\d?": "REPACK",
        r"re~rip": "RERIP",
        r"real(?=[ ._-]+(?:proper|repack))": "REAL",
        r"int(?:ernal)?": "INTERNAL",
        r"limited": "LIMITED",
        r"(?:bd|uhd|dvd|br)?~remux": "REMUX",
        r"hybrid": "HYBRID",
        r"(?:h?~(?:sbs|ou)|half~(?:sbs|ou)|3d)": "3D",
        r"dubbed|dub": "DUBBED",
        r"dual(?:~(?:audio|lang(?:uage)?))?|dl(?=[ ._-])": "DUAL-AUDIO",
        r"(?:fan)?subbed|vost(?:fr|a)?|sub(?:fr|ita|french)": "SUBBED",
        r"hc|hard~(?:coded|subs?|subbed)|korsubs?": "HARDCODED",
        r"up~scaled?|ai~enhanced": "UPSCALED",
        r"(?:the~)?complete(?:~(?:tv~)?(?:series|seasons?|collection))?": "COMPLETE",
        r"read~nfo": "READNFO",
        r"sample": "SAMPLE",
        r"line(?:~(?:dubbed|audio))": "LINE",
        r"retail": "RETAIL",
    }
)
