"""Events in plain words."""

from libs.common.events import (
    AttemptFailed,
    Candidate,
    Deleted,
    Described,
    Expired,
    Failed,
    JobEvent,
    Playable,
    Preparing,
    Probed,
    Queued,
    Ready,
    Requested,
    Started,
    Unavailable,
    Watched,
)

_REASONS = {"age": "its time was over", "unwatched": "nobody watched it for long enough"}
_BLAMES = {
    "release": "the release is bad",
    "world": "it may work later",
    "owner": "the settings must be changed",
}


def tell(event: JobEvent) -> str:
    """One sentence about what happened."""
    match event:
        case Requested():
            year = f" ({event.title.year})" if event.title.year else ""
            wish = f", release {event.release_id}" if event.release_id else ""
            quality = f", {event.quality} preferred" if event.quality else ""
            return f"{event.title.name}{year} was asked for{wish}{quality}."
        case Queued():
            return _queued(event)
        case Unavailable():
            return f"Nothing could be offered: {event.message} [{event.code}]"
        case Started():
            again = f", delivery {event.delivery}" if event.delivery > 1 else ""
            return f"{event.instance} began with attempt {event.attempt}{again}."
        case Described():
            return f"The film in it is {event.file_name}, {_size(event.size_bytes)}, {event.container}."
        case Playable():
            return f"It can be played while it comes, from {event.address}."
        case Probed():
            return _probed(event)
        case Preparing():
            return "Every byte is there and verified; it is being published."
        case Ready():
            until = f" It stays until {event.expires_at:%Y-%m-%d %H:%M:%S}." if event.expires_at else ""
            return f"It is ready: {event.film.key}, {_size(event.film.size_bytes)}.{until}"
        case AttemptFailed():
            return f"Attempt {event.attempt} failed ({_BLAMES[event.blame]}): {event.message} [{event.code}]"
        case Failed():
            return f"The job was given up: {event.message} [{event.code}]"
        case Expired():
            return f"It expired: {_REASONS[event.reason]}."
        case Deleted():
            return "It was deleted from the store."
        case Watched():
            return "Someone watched it."
        case _:
            return event.fact


def _probed(event: Probed) -> str:
    if event.media is None:
        return f"Nobody could look into it: {event.why_not or 'no reason is given'}"
    media = event.media
    picture = f"{media.video.codec} {media.video.width}x{media.video.height}" if media.video else "no picture"
    sounds = ", ".join(sound.codec for sound in media.sounds) or "no sound"
    return f"In it are {picture}; sound: {sounds}; texts: {len(media.texts)}."


def _queued(event: Queued) -> str:
    left = len(event.alternatives)
    others = f" {left} other release{'s' if left != 1 else ''} in reserve." if left else ""
    return f"Attempt {event.attempt} was queued: {_release(event.pick)}.{others}"


def _release(pick: Candidate) -> str:
    why = f": {'; '.join(pick.score.reasons)}" if pick.score.reasons else ""
    if pick.score.decided_by:
        why += f"; {pick.score.decided_by}"
    return f"{pick.title} from {pick.indexer}, {_size(pick.size_bytes)}, score {pick.score.total:g}{why}"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
