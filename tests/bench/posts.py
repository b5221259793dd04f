"""The posts that the bench fetches: one film, packed in several ways, as articles for nntpd.

The sandbox names an article by its file and release alone. So its indexer, told to post the very same files,
gives an NZB of the very articles that are written here.
"""

import random
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path

import av
from av import VideoFrame

from libs.sandbox.archives import rar4 as rar4_bytes
from libs.sandbox.packing import par2_program
from libs.sandbox.posts import ARTICLE_BYTES, ArticleIndex
from libs.sandbox.rar import write_rar_volumes

from .timing import run_timed

MIB = 1 << 20
VOLUMES_AT_LEAST = 10
VOLUME_BYTES = 100_000_000
PAR2_PERCENT = 10
PAR2_BLOCK_BYTES = ARTICLE_BYTES
PACKINGS = ("plain", "rar5", "rar4", "par2")
LABELS = {
    "plain": "plain post",
    "rar5": "stored RAR5",
    "rar4": "stored RAR4",
    "par2": "RAR5 with 10 % par2, articles missing",
}


@dataclass(frozen=True)
class Post:
    """One release: its files, and their articles as nntpd serves them."""

    packing: str
    title: str
    film: Path
    files: tuple[Path, ...]
    stem: Path
    """Of `.dat` and `.idx`."""

    @property
    def data(self) -> Path:
        return self.stem.with_suffix(".dat")

    @property
    def index(self) -> Path:
        return self.stem.with_suffix(".idx")

    @cached_property
    def message_ids(self) -> list[str]:
        return [line.split(" ", 1)[0] for line in self.index.read_text().splitlines()]

    def of_volumes(self) -> list[tuple[Path, int, str]]:
        """Every article of a file that isn't par2: the file, the offset in it, and its message-id."""
        ids = iter(self.message_ids)
        places = [
            (file, at, next(ids))
            for file in self.files
            for at in range(0, file.stat().st_size, ARTICLE_BYTES)
        ]
        return [place for place in places if place[0].suffix != ".par2"]

    def warm(self) -> None:
        """Bring the articles into the page cache: what is measured is no disk."""
        with self.data.open("rb", buffering=0) as data:
            while data.read(16 * MIB):
                pass


class Studio:
    """Makes the film and its posts, each once."""

    def __init__(self, directory: Path, size_mib: int) -> None:
        self.size_bytes = size_mib * MIB
        self._directory = directory
        self._posts: dict[str, Post] = {}
        self._volumes: dict[str, list[Path]] = {}

    @cached_property
    def film(self) -> Path:
        """A second of film, and behind its end noise to make it as large as people post them."""
        path, noise = self._directory / "film.mkv", random.Random(1)
        _one_second(path)
        with path.open("ab") as file:
            file.write(noise.randbytes(-path.stat().st_size % MIB))
            for _ in range(self.size_bytes // MIB - 1):
                file.write(noise.randbytes(MIB))
        return path

    def post(self, packing: str) -> Post:
        if packing not in self._posts:
            self._posts[packing] = self._made(packing)
        return self._posts[packing]

    def _made(self, packing: str) -> Post:
        title = f"Bench.2024.1080p.WEB-DL.x264-{packing.upper()}"
        post = Post(packing, title, self.film, tuple(self._files(packing)), self._directory / packing)
        index = ArticleIndex()
        offset = 0
        with post.data.open("wb") as data, post.index.open("w") as lines:
            for message_id in index.post(post.files, title=title).message_ids:
                article = index.get(message_id)
                assert article
                head = article.head()
                size_bytes = data.write(b"".join([head, b"\r\n", *article.body(), b".\r\n"]))
                lines.write(f"{message_id} {offset} {len(head)} {size_bytes}\n")
                offset += size_bytes
        return post

    def _files(self, packing: str) -> Sequence[Path]:
        match packing:
            case "rar5":
                return self._rar5()
            case "rar4":
                return list(self._rar4())
            case "par2":
                return [*self._rar5(), *self._par2()]
            case _:
                return [self.film]

    @property
    def _volume_bytes(self) -> int:
        return min(VOLUME_BYTES, self.size_bytes // VOLUMES_AT_LEAST)

    def _folder(self, name: str) -> Path:
        folder = self._directory / f"files-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def _rar5(self) -> list[Path]:
        if "rar5" not in self._volumes:
            self._volumes["rar5"] = write_rar_volumes(
                self.film, self._folder("rar5"), "bench.movie.2024", self._volume_bytes
            )
        return self._volumes["rar5"]

    def _rar4(self) -> Iterable[Path]:
        """Old names: .rar, .r00, .r01 …"""
        with self.film.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as film:
            starts = range(0, len(film), self._volume_bytes)
            for number, start in enumerate(starts):
                part = film[start : start + self._volume_bytes]
                more = start + len(part) < len(film)
                path = self._folder("rar4") / f"bench.movie.2024.{f'r{number - 1:02}' if number else 'rar'}"
                path.write_bytes(
                    rar4_bytes.SIGNATURE
                    + rar4_bytes.main(number, new_naming=False)
                    + rar4_bytes.entry(
                        self.film.name,
                        part,
                        len(film),
                        before=number > 0,
                        after=more,
                        crc=zlib.crc32(part if more else film),
                    )
                    + rar4_bytes.end(number, more=more)
                )
                yield path

    def _par2(self) -> list[Path]:
        volumes = self._rar5()
        folder = volumes[0].parent
        if not list(folder.glob("*.par2")):
            run_timed(
                [par2_program(), "create", "-q", "-q", f"-s{PAR2_BLOCK_BYTES}", f"-r{PAR2_PERCENT}"],
                [f"-B{folder}", folder / "bench.movie.2024.par2", *volumes],
            )
        return sorted(folder.glob("*.par2"))


def _one_second(path: Path) -> None:
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=24)
        picture.width, picture.height, picture.pix_fmt = 320, 180, "yuv420p"
        for _ in range(24):
            container.mux(picture.encode(VideoFrame(320, 180, "yuv420p")))
        container.mux(picture.encode(None))
