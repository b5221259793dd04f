"""Parts without a header: placed by their order and lengths, or refused."""

import random
from binascii import b2a_uu
from collections.abc import Callable

import pytest

from services.downloader.errors import BytesLost
from services.downloader.source import Span, Urgency
from services.downloader.usenet.articles import PartRefused, Parts
from services.downloader.usenet.nzb import Nzb, NzbFile, Segment
from tests.support.nntp import Liar
from tests.unit.downloader.usenet.conftest import MakeSource, Start

DATA = random.Random(4).randbytes(40_000)
PART_BYTES = 4_500


def uuencoded(data: bytes, *, name: str | None, ends: bool) -> bytes:
    lines = [b2a_uu(data[at : at + 45], backtick=True).strip() for at in range(0, len(data), 45)]
    stuffed = [b"." * line.startswith(b".") + line for line in lines]
    head = [f"begin 644 {name}".encode()] if name else []
    return b"\r\n".join([*head, *stuffed, *([b"`", b"end"] if ends else []), b".\r\n"])


def bodies(part_bytes: int = PART_BYTES) -> list[bytes]:
    parts = [DATA[at : at + part_bytes] for at in range(0, len(DATA), part_bytes)]
    return [
        uuencoded(part, name=None if slot else "film.mkv", ends=slot == len(parts) - 1)
        for slot, part in enumerate(parts)
    ]


def listed(count: int) -> Nzb:
    segments = tuple(Segment(number, 6_000, f"{number}@test.invalid") for number in range(1, count + 1))
    file = NzbFile(subject="", poster="", date=0, groups=(), segments=segments)
    return Nzb(title="", passwords=(), files=(file,))


def posted(made: list[bytes]) -> dict[str, bytes]:
    return {f"{number}@test.invalid": body for number, body in enumerate(made, 1)}


@pytest.mark.parametrize("part_bytes", [PART_BYTES, 45_000], ids=["nine parts", "a single part"])
async def test_a_uuencoded_file_arrives(part_bytes: int, start: Start, make_source: MakeSource):
    made = bodies(part_bytes)
    liar = await start(Liar(posted(made)))
    source = make_source(listed(len(made)), liar.account())
    await source.open()
    assert (source.files[0].name, source.files[0].size_bytes) == ("film.mkv", len(DATA))
    assert await source.read(0, 20_000, 5_000, Urgency.PLAYER) == DATA[20_000:25_000]
    assert [event async for event in source.fill([0])]
    assert source.path(0).read_bytes() == DATA
    assert source.articles_fetched == len(made)


async def test_what_has_no_checksum_is_fetched_anew_after_a_kill(start: Start, make_source: MakeSource):
    made = bodies()
    liar = await start(Liar(posted(made)))
    for _ in range(2):
        source = make_source(listed(len(made)), liar.account())
        await source.open()
        assert source.files[0].size_bytes == len(DATA)
        assert [event async for event in source.fill([0])]
        assert source.path(0).read_bytes() == DATA
        assert source.articles_fetched == len(made)
        await source.close()


@pytest.mark.parametrize(
    "damaged",
    [
        lambda body: body[62:],
        lambda body: body.replace(b"\r\n.\r\n", b"\r\n`\r\nend\r\n.\r\n"),
        lambda body: b"begin 644 film.mkv\r\n" + body,
        lambda body: body.replace(b"\r\nM", b"\r\nM!\r\nM", 1),
    ],
    ids=["a line less", "an end", "a beginning", "a broken line"],
)
async def test_a_part_that_fits_nowhere_is_a_hole(
    damaged: Callable[[bytes], bytes], start: Start, make_source: MakeSource
):
    made = bodies()
    made[4] = damaged(made[4])
    liar = await start(Liar(posted(made)))
    source = make_source(listed(len(made)), liar.account())
    await source.open()
    assert [event async for event in source.fill([0])]
    assert source.holes(0) == (Span(4 * PART_BYTES, 5 * PART_BYTES),)


@pytest.mark.parametrize("lost", [0, 8])
async def test_without_its_first_or_last_part_the_size_is_not_known(
    lost: int, start: Start, make_source: MakeSource
):
    made = bodies()
    liar = await start(Liar({k: v for k, v in posted(made).items() if k != f"{lost + 1}@test.invalid"}))
    source = make_source(listed(len(made)), liar.account())
    with pytest.raises(BytesLost, match="no news server has this release"):
        await source.open()
    assert [event async for event in source.fill([0])]
    assert source.holes(0)[-1].end == source.files[0].size_bytes


def test_no_part_lands_beside_its_place():
    parts = Parts([0, 1, 2])
    with pytest.raises(PartRefused, match="nothing tells the place of part 2"):
        parts.place_bare(1, 900, begins=False, ends=False)
    assert parts.place_bare(0, 900, begins=True, ends=False) == (Span(0, 900), None)
    parts.record(0, Span(0, 900), None)
    assert parts.gaps(1) == [Span(900, 901)]
    for length, ends in ((899, False), (901, True)):
        with pytest.raises(PartRefused):
            parts.place_bare(2 if ends else 1, length, begins=False, ends=ends)
    assert parts.place_bare(2, 10, begins=False, ends=True) == (Span(1_800, 1_810), 1_810)
    parts.record(2, Span(1_800, 1_810), 1_810)
    assert parts.gaps() == [Span(900, 1_800)]
