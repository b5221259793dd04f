"""The words of release names, and what each of them means. Order counts: the first pattern that fits wins."""

import re
from collections.abc import Mapping

import msgspec


class Found(msgspec.Struct, frozen=True):
    """A word at its place in a name."""

    start: int
    end: int
    value: str


class Words:
    """A field's vocabulary: patterns of whole words, each with its value. `~` is one separator, or none.

    `glued_before` and `glued_behind` (patterns without width) say where a word needs no separator,
    `unless` where it isn't meant.
    """

    def __init__(
        self,
        patterns: Mapping[str, str],
        *,
        ignore_case: bool = True,
        glued_before: str = "",
        glued_behind: str = "",
        unless: str = "",
    ) -> None:
        alternatives = [(one, value) for pattern, value in patterns.items() for one in _alternatives(pattern)]
        self._values = [value for _, value in alternatives]
        # An empty group behind each says which it was, and leaves its first letter to be seen at once.
        any_of = "|".join(f"{one.replace('~', '[ ._-]?')}()" for one, _ in alternatives)
        begin = f"(?:(?<![A-Za-z0-9]){glued_before})"
        end = f"(?:(?![A-Za-z0-9]){glued_behind}){unless}"
        self._ignore_case = ignore_case
        self._exact = re.compile(f"{begin}(?:{any_of}){end}")
        self._any_case = re.compile(f"{begin}(?:{any_of}){end}", re.IGNORECASE if ignore_case else 0)

    def find(self, text: str, lowered: str | None = None) -> list[Found]:
        """In the order of the text. `lowered`: the same in small letters, if all of it is ASCII.

        That is for speed alone: in one case, most words are seen to be others by their first letter.
        """
        values = self._values
        if self._ignore_case and lowered is not None:
            matches = self._exact.finditer(lowered)
        else:
            matches = self._any_case.finditer(text)
        return [Found(*match.span(), values[(match.lastindex or 1) - 1]) for match in matches]


def _alternatives(pattern: str) -> list[str]:
    """What stands between the bars of a pattern that are in no group and no set."""
    pieces, depth, in_set = [""], 0, False
    for sign in re.findall(r"\\.|.", pattern):
        in_set = sign != "]" if in_set else sign == "["
        depth += 0 if in_set else (sign == "(") - (sign == ")")
        if sign == "|" and not depth and not in_set:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces


class Lookup:
    """The words of one name; each vocabulary is looked through once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lowered = text.lower() if text.isascii() else None
        self._found: dict[Words, list[Found]] = {}

    def find(self, words: Words, start: int = 0) -> list[Found]:
        """In the order of the name, from `start` on."""
        found = self._found.get(words)
        if found is None:
            found = self._found[words] = words.find(self.text, self._lowered)
        return [word for word in found if word.start >= start] if start and found else found


RESOLUTION = Words(
    {
        r"4320p|7680~x~4320": "4320p",
        r"2160[pi](?:\d\d)?|3840~x~(?:2160|1\d\d\d)|4096~x~\d{4}": "2160p",
        r"1440[pi]|2560~x~1440": "1440p",
        r"1080i(?:\d\d)?": "1080i",
        r"1080p(?:\d\d)?|(?:1920|1440)~x~\d{3,4}|fhd|full~hd": "1080p",
        r"720[pi](?:\d\d)?|1280~x~\d{3}|960~x~720": "720p",
        r"576[pi]|(?:720|1024|768)~x~57\d": "576p",
        r"540[pi]|960~x~540": "540p",
        r"480[pi]|(?:640|704|720|848|852|854)~x~4\d\d": "480p",
        r"360[pi]|640~x~360": "360p",
    },
    # BD720p, Bluray1080p, 4Kto1080p.
    glued_before=r"|(?<=[a-z])(?=\d{3,4}p)",
)
# Said of the master or the shelf as often as of the picture: they count only where no number does.
VAGUE_RESOLUTION = Words({r"4k|uhd|ultra~hd": "2160p", r"8k": "4320p"})

_SHOPS = (
    r"(?:amazon|netflix|maxdome|disney(?:~plus)?|itunes|hbo~max|hulu|apple(?:~tv)?|sky~(?:go|showtime)?|"
    r"joyn|magenta(?:~tv)?|paramount|rtl(?:plus)?|videoload|wow|crunchyroll|peacock|google(?:~play)?|web)"
)
SOURCE = Words(
    {
        r"(?:hd|hq|new)?~cam~rip|hd~cam|hqcam": "CAM",
        r"(?:hd|hq)~ts(?:~rip)?|(?:hd~)?tele~syncs?|ts~rip|pre~dvd(?:~rip)?|pdvd(?:~rip)?": "TS",
        r"(?:hd|hq)~tc(?:~rip)?|(?:hd~)?tele~cine|tc~rip": "TC",
        r"(?:dvd|bd|br|web|hd)~scr(?:eener)?|screener": "SCR",
        r"work~print": "WORKPRINT",
        r"hd~dvd(?:~rip)?": "HD-DVD",
        r"(?:uhd~)?m?blu[ ._-]{0,2}e?ray~(?:rip|mux|uhd)?"
        r"|(?:uhd~|m)?(?:bd|br)~(?:rip|mux|remux|iso|light|full)(?:mux)?"
        r"|uhd~2?bd|uhd~rip|uhd~remux|\d?bd(?=\d{3,4}[pi])|4kbd": "BluRay",
        r"\d?bd~(?:25|50|66|100)|blue~ray": "BluRay",
        r"web~(?:rip|cap|mux)(?:hd)?|hdweb~rip|(?:web~)?dl~rip|vod~rip": "WEBRip",
        r"(?:web~)?dl~mux|web~(?:dl|uhd)|web-?hd|(?:hd|uhd)~web|"
        rf"{_SHOPS}~(?:u?hd|sd)|web~\(?dl\)?|web(?=\d{{3,4}}p)": "WEB-DL",
        r"(?:a|u|uhd)?hd~tv~(?:rip|mux)?|dtv~rip": "HDTV",
        r"[psd]d?tv(?:~rip)?|sd~tv|dsr(?:~ip)?|(?:tv|sat|dvb|dth|ppv)~rip|dvb(?:-[st]2?)?": "SDTV",
        r"(?:hd)?\d?m?dvd~(?:rip|r|5|9|mux|full|remux|iso|hd)|(?:ntsc|pal)~m?dvd~r?\d?|xvi(?:d~)?dvd": "DVD",
        r"hd~rip|hd~light": "HDRip",
        r"vhs(?:~rip)?": "VHS",
    },
    glued_behind=r"|(?=\d{3,4}[pi])",
)
# In these letters, and not where a title may still be.
SHORT_SOURCE = Words(
    {
        r"CAM|CamRip": "CAM",
        r"TS": "TS",
        r"TC": "TC",
        r"SCR": "SCR",
        r"WP": "WORKPRINT",
        r"U?BD|BR|Blu": "BluRay",
        r"WEB|Web|web": "WEB-DL",
        r"DVD|Dvd|dvd|R5": "DVD",
        r"TV|SAT": "SDTV",
    },
    ignore_case=False,
)

CODEC = Words(
    {
        r"[xh]~265|hevc(?:10)?|h265p": "H.265",
        r"[xh]~264|avc|hi10p?": "H.264",
        r"[xh]~266|vvc": "H.266",
        r"av1": "AV1",
        r"vp9": "VP9",
        r"xvid(?:hd)?": "XviD",
        r"divx\d?": "DivX",
        r"mpeg~2|h~262": "MPEG-2",
        r"vc~1": "VC-1",
    },
    # HDTVx264, xvidvd and x264REPACK come from hands in a hurry.
    glued_before=r"|(?<=tv)|(?<=rip)|(?<=ray)",
)
BIT_DEPTH = Words({r"10~bits?|hi10p?|hevc10|yuv420p10|10b": "10", r"12~bits?": "12", r"8~bits?|8b": "8"})
HDR = Words(
    {
        r"dv|dovi|dolby~vision|dv(?=hdr)": "DV",
        r"hdr10~(?:\+|plus|p)|hdr~\+": "HDR10+",
        r"hdr10": "HDR10",
        r"hdr(?:~rip)?": "HDR",
        r"hlg": "HLG",
        r"sdr": "SDR",
    },
    glued_before=r"|(?<=dv)",
    glued_behind=r"|(?=hdr)",
)

_CHANNELS = r"(?:~\d[. ]\d(?:ch)?|~[268]ch)?"
AUDIO = Words(
    {
        r"dts~(?:hd~)?(?:ma|master~audio)" + _CHANNELS: "DTS-HD MA",
        r"dts~hd~(?:hra?|high~resolution)?" + _CHANNELS: "DTS-HD",
        r"dts~(?::x|x)" + _CHANNELS: "DTS:X",
        r"dts(?:~es)?(?:d|dl)?" + _CHANNELS: "DTS",
        r"true~hd" + _CHANNELS: "TrueHD",
        r"atmos" + _CHANNELS: "Atmos",
        r"(?:ddpa?|dd\+|e~ac~3d?|dolby~digital~(?:plus|\+))" + _CHANNELS: "E-AC-3",
        r"(?:dd(?:\d\d)?|ac~3d?|dolby~digital)" + _CHANNELS: "AC-3",
        r"(?:he~|q)?aac(?:~lc)?" + _CHANNELS: "AAC",
        r"flac(?:x\d)?" + _CHANNELS: "FLAC",
        r"opus" + _CHANNELS: "Opus",
        r"l?pcm" + _CHANNELS: "PCM",
        r"(?:ogg|vorbis)" + _CHANNELS: "Vorbis",
        r"mp3" + _CHANNELS: "MP3",
    }
)

EDITION = Words(
    {
        r"(?:the~)?(?:extended~)?director'?s(?:~cut|~edition)?(?!~company)|dc": "Director's Cut",
        r"(?:super~)?extended(?:~(?:cut|edition|version))?|rogue~cut|langfassung|version~longue": "Extended",
        r"(?:the~)?final~cut": "Final Cut",
        r"assembly~cut": "Assembly Cut",
        r"(?:international~)?theatrical(?:~(?:cut|edition|version))?|kinofassung": "Theatrical",
        r"(?:super~)?un~rated(?:~(?:cut|edition|version))?": "Unrated",
        r"un~cut(?:~(?:edition|version))?|uncensored|ungeschnitten": "Uncut",
        r"imax(?:~(?:edition|enhanced))?": "IMAX",
        r"criterion(?:~(?:collection|edition))?": "Criterion",
        r"(?:4k~)?re~mastered|4k~remaster|(?:4k~)?restored|4k~restoration|remasterizad[oa]": "Remastered",
        r"special~edition|edicion~especial": "Special Edition",
        r"(?:ultimate~)?collector'?s?~edition": "Collector's Edition",
        r"(?:\d\d(?:th|st|nd|rd)~)?anniversary(?:~edition)?|jubilaeumsedition": "Anniversary",
        r"ultimate(?:~\w{2,12})?~(?:extended|cut|edition)(?:~(?:cut|edition))?": "Ultimate",
        r"limited~edition": "Limited Edition",
        r"diamond~edition": "Diamond Edition",
        r"open~matte": "Open Matte",
        r"(?:\w{2,10}~)?fan~(?:edit|res)(?:ion)?|fan~cut": "Fan Edit",
        r"despeciali[sz]ed(?:~edition)?": "Despecialized",
        r"black~and~chrome|black~(?:and|&)~white~edition": "Black and Chrome",
        r"2in1|3in1": "2in1",
        r"redux": "Redux",
    }
)

FLAGS = Words(
    {
        r"proper\d?": "PROPER",
        r"repack~\d?": "REPACK",
        r"re~rip~\d?": "RERIP",
        r"real(?=[ ._-]+(?:proper|repack))": "REAL",
        r"int(?:ernal)?": "INTERNAL",
        r"limited(?!~edition)": "LIMITED",
        r"(?:bd|uhd|dvd|br)?~remux": "REMUX",
        r"hybrid": "HYBRID",
        r"(?:h?~(?:sbs|ou)|half~(?:sbs|ou|tab)|3d)": "3D",
        r"\w{0,4}-?dub(?:bed)?|synced": "DUBBED",
        r"dual(?:~(?:audio|lang(?:uage)?))?|audio~dual|dl(?=[ ._-])": "DUAL-AUDIO",
        r"(?:fan)?subbed|(?:\w{2,3}~)subbed|vost(?:fr|a|en|it)?|sub~(?:fr|ita|french|forced)|(?:multi|e|m|eng|soft)~subs?"
        r"|subs?": "SUBBED",
        r"hc|hard~(?:coded)?~(?:subs?|subbed)?|korsubs?|kor~sub": "HARDCODED",
        r"(?:ai~)?up~scaled?|ai~(?:enhanced|upscaled?)|upscaled?~\w{0,4}": "UPSCALED",
        r"(?:the~)?complet[ea]?o?(?:~(?:tv~)?(?:series|seasons?(?![ ._]?\d)|collection))?|batch"
        r"|integrale?": "COMPLETE",
        r"read~nfo": "READNFO",
        r"sample": "SAMPLE",
        r"line~(?:dub(?:bed)?|audio)|mic~dub(?:bed)?|(?:ac3)?[lm]d": "LINE",
        r"retail": "RETAIL",
        r"extras|bonus": "EXTRAS",
        r"v2": "V2",
        r"v3": "V3",
        r"v4": "V4",
    }
)

# What says nothing that is asked here, but stands among the words that do.
NOISE = Words(
    {
        r"ws|fs|pal|ntsc|mkv|mp4|avi|hq|lq|hbr|avchd|m2ts|sd|hd|"
        r"nf|amzn|dsn[py]p?|hmax|hulu|atvp?|pcok|pmtp|it|cr|max|bbc|itv|stan|red|amazon|netflix|baha|viutv|"
        r"audio|\w{0,3}lek\w{0,3}|web|hfr|stv|doku|qc|convert|multi-?\d|"
        r"\d{1,2}[.,]\d{1,2} ?gb|\d{3,4} ?mb|\d\dfps|fps\d\d|24-bit audio": "",
    }
)
