import socket

import pytest

from libs.common.errors import SettingsError
from libs.common.listening import listen


@pytest.mark.parametrize(
    ("host", "reached_by"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("::", ["127.0.0.1", "::1"]),
        ("localhost", ["127.0.0.1"]),
    ],
)
def test_it_listens_in_the_right_family(host: str, reached_by: list[str]) -> None:
    with listen(host, 0) as listening:
        for address in reached_by:
            socket.create_connection((address, listening.getsockname()[1]), timeout=5).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_small_answers_go_at_once(host: str) -> None:
    with listen(host, 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("host", "says"),
    [("192.0.2.1", "Cannot assign requested address."), ("a..b", "Name or service not known.")],
)
def test_an_address_that_is_not_ours_is_said(host: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        listen(host, 0)
    assert str(caught.value) == f"Matinee can't listen on {host}, port 0: {says}"


def test_a_port_in_use_is_said() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(SettingsError, match=r": Address already in use\.$"):
        listen("127.0.0.1", taken.getsockname()[1])
