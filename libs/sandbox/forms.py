"""The forms a film is posted in without being compressed, as files in memory."""

from collections.abc import Callable

from libs.sandbox.archives import rar4, rar5, sevenzip, zips
from libs.sandbox.archives.names import Files, old_names, part_names, pieces

VOLUMES = 10
SAMPLE_BYTES = 20_000

Form = Callable[[str, str, bytes], Files]
"""Makes the files of a post out of the release's name, the film's name and the film's bytes."""


def _share(film: bytes) -> int:
    return -(-len(film) // VOLUMES)


def _split(_: str, name: str, film: bytes) -> Files:
    return pieces(film, _share(film), name)


def _rar4(stem: str, name: str, film: bytes) -> Files:
    return [(f"{stem}.rar", rar4.archive([(name, film)]))]


def _rar4_volumes(stem: str, name: str, film: bytes) -> Files:
    return part_names(rar4.volumes([(name, film)], _share(film)), stem)


def _rar4_old(stem: str, name: str, film: bytes) -> Files:
    return old_names(rar4.volumes([(name, film)], _share(film), new_naming=False), stem)


def _rar5_old(stem: str, name: str, film: bytes) -> Files:
    return old_names(rar5.volumes([(name, film)], _share(film)), stem)


def _zip(stem: str, name: str, film: bytes) -> Files:
    return [(f"{stem}.zip", zips.archive(_with_nfo(name, film)))]


def _zip64(stem: str, name: str, film: bytes) -> Files:
    return [(f"{stem}.zip", zips.archive(_with_nfo(name, film), wide=True))]


def _sevenzip(stem: str, name: str, film: bytes) -> Files:
    return [(f"{stem}.7z", _in_sevenzip(name, film))]


def _sevenzip_split(stem: str, name: str, film: bytes) -> Files:
    return pieces(_in_sevenzip(name, film), _share(film), f"{stem}.7z")


def _split_in_rar(stem: str, name: str, film: bytes) -> Files:
    return part_names(rar5.volumes(_split(stem, name, film), _share(film)), stem)


def _rar_in_rar(stem: str, name: str, film: bytes) -> Files:
    inner = rar4.volumes([(name, film)], _share(film) * 3 // 2, new_naming=False)
    return part_names(rar5.volumes(old_names(inner, "inner"), _share(film)), stem)


def _folders(stem: str, name: str, film: bytes) -> Files:
    inside = [
        (f"{stem}/Sample/sample.mkv", film[:SAMPLE_BYTES]),
        (f"{stem}/{name}", film),
        (f"{stem}/Subs/readme.txt", b"none"),
    ]
    return part_names(rar5.volumes(inside, _share(film)), stem)


def _with_nfo(name: str, film: bytes) -> Files:
    return [("release.nfo", b"about"), (name, film)]


def _in_sevenzip(name: str, film: bytes) -> bytes:
    return sevenzip.archive([_with_nfo(name, film)], header_coder=sevenzip.LZMA1)


FORMS: dict[str, Form] = {
    "split": _split,
    "rar4": _rar4,
    "rar4-volumes": _rar4_volumes,
    "rar4-old-names": _rar4_old,
    "rar5-old-names": _rar5_old,
    "zip": _zip,
    "zip64": _zip64,
    "7z": _sevenzip,
    "7z-split": _sevenzip_split,
    "split-in-rar": _split_in_rar,
    "rar-in-rar": _rar_in_rar,
    "folders-in-rar": _folders,
}
