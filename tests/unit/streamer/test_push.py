"""What a subscriber gets, however slow it is: the newest of each job, in order, nothing lost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from services.streamer.push import MAX_PENDING, Subscriber, Update


def update(job: int, sequence: int, view: bytes = b"") -> Update:
    return Update(job_id=f"job_{job}", sequence=sequence, view=view)


async def taken(subscriber: Subscriber, count: int = MAX_PENDING + 1) -> list[Update]:
    found: list[Update] = []
    while len(found) < count and (one := await subscriber.next(0.0)):
        found.append(one)
    return found


@given(
    changes=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40),
    cut=st.integers(0, 40),
)
def test_the_last_sequence_seen_says_all_that_was_missed(changes: list[tuple[int, bool]], cut: int) -> None:
    """A change of a job has a new sequence; progress tells its last one again."""

    async def run() -> None:
        subscriber = Subscriber(None)
        last: dict[int, int] = {}
        for number, (job, is_change) in enumerate(changes, start=1):
            if is_change or job not in last:
                last[job] = number
            subscriber.offer(update(job, last[job]))
        seen = await taken(subscriber, cut)
        resume = seen[-1].sequence if seen else 0
        told = {(one.job_id, one.sequence) for one in seen}
        missed = {(f"job_{job}", sequence) for job, sequence in last.items() if sequence > resume}
        assert told | missed == {(f"job_{job}", sequence) for job, sequence in last.items()}
        assert [one.sequence for one in seen] == sorted(one.sequence for one in seen)

    asyncio.run(run())


async def test_only_the_newest_view_of_a_job_waits() -> None:
    subscriber = Subscriber(None)
    for number in range(1, 50):
        subscriber.offer(update(1, number))
    assert await taken(subscriber) == [update(1, 49)]


async def test_what_came_while_the_present_was_read_is_not_undone_by_it() -> None:
    subscriber = Subscriber(None)
    subscriber.offer(update(1, 9, b"new"))
    subscriber.begin([update(1, 3, b"old"), update(2, 5)])
    assert await taken(subscriber) == [update(2, 5), update(1, 9, b"new")]


async def test_a_subscriber_of_one_job_hears_of_no_other() -> None:
    subscriber = Subscriber("job_1")
    subscriber.offer(update(2, 1))
    subscriber.offer(update(1, 2))
    assert await taken(subscriber) == [update(1, 2)]


async def test_one_that_falls_far_back_is_cut_off() -> None:
    subscriber = Subscriber(None)
    for number in range(1, MAX_PENDING + 2):
        subscriber.offer(update(number, number))
    assert subscriber.is_closed
    assert await subscriber.next(1.0) is None


async def test_waiting_ends_with_news_and_with_the_end() -> None:
    subscriber = Subscriber(None)
    waiting = asyncio.create_task(subscriber.next(10.0))
    await asyncio.sleep(0)
    subscriber.offer(update(1, 1))
    assert await waiting == update(1, 1)
    waiting = asyncio.create_task(subscriber.next(10.0))
    await asyncio.sleep(0)
    subscriber.close()
    assert await waiting is None
