"""What kind of content a key's name promises."""

OTHER = "application/octet-stream"

_BY_SUFFIX = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "m4s": "video/iso.segment",
    "m4a": "audio/mp4",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "ts": "video/mp2t",
    "m3u8": "application/vnd.apple.mpegurl",
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
    "ass": "text/x-ssa",
    "json": "application/json",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "txt": "text/plain",
}


def type_of(key: str) -> str:
    """The content type by the key's suffix; `application/octet-stream` if it is none of ours."""
    return _BY_SUFFIX.get(key.rpartition(".")[2].lower(), OTHER)
