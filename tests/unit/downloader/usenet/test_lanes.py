"""Which article goes next."""

from hypothesis import given
from hypothesis import strategies as st

from services.downloader.source import Urgency
from services.downloader.usenet.lanes import Article, Lanes, Stage


def article(number: int, urgency: Urgency) -> Article:
    return Article(0, number, f"{number}@x", urgency)


def test_the_most_urgent_first_and_equals_in_order():
    lanes = Lanes()
    for number, urgency in enumerate([Urgency.FILL, Urgency.DESCRIBE, Urgency.FILL, Urgency.PLAYER]):
        lanes.push(article(number, urgency))
    lanes.push(article(4, Urgency.FILL), first=True)
    assert [waiting.slot for waiting in lanes.drain()] == [3, 1, 4, 0, 2]
    assert len(lanes) == 0


def test_a_hurried_article_goes_once_and_a_discarded_one_never():
    lanes = Lanes()
    articles = [article(number, Urgency.FILL) for number in range(4)]
    for waiting in articles:
        lanes.push(waiting)
    lanes.hurry(articles[2], Urgency.PLAYER)
    lanes.discard(articles[0])
    assert len(lanes) == 3
    assert [waiting.slot for waiting in lanes.drain()] == [2, 1, 3]


_steps = st.lists(
    st.tuples(
        st.sampled_from(["push", "hurry", "discard", "pop"]), st.integers(0, 5), st.sampled_from(Urgency)
    ),
    max_size=60,
)


@given(_steps)
def test_no_article_is_lost_or_given_twice(steps: list[tuple[str, int, Urgency]]):
    lanes = Lanes()
    articles = [article(number, Urgency.FILL) for number in range(6)]
    waiting: set[Article] = set()
    for step, number, urgency in steps:
        chosen = articles[number]
        if step == "push" and chosen not in waiting:
            chosen.urgency = urgency
            lanes.push(chosen)
            waiting.add(chosen)
        elif step == "hurry" and chosen in waiting and urgency < chosen.urgency:
            lanes.hurry(chosen, urgency)
        elif step == "discard" and chosen in waiting:
            lanes.discard(chosen)
            waiting.remove(chosen)
        elif step == "pop":
            popped = lanes.pop()
            assert (popped is None) == (not waiting)
            if popped is not None:
                assert popped.urgency == min(other.urgency for other in waiting)
                waiting.remove(popped)
        assert len(lanes) == len(waiting)
        assert {other for other in articles if other.stage is Stage.WAITING} == waiting
