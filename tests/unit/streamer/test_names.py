"""Which names are the gateway's, and which pages."""

import pytest

from services.streamer.names import Names

NAMES = Names("https://Films.example", "Box")

HOSTS = {
    "films.example": True,
    "FILMS.example:443": True,
    "box:8080": True,
    "localhost": True,
    "localhost:9": True,
    "127.0.0.1:8080": True,
    "192.168.1.7": True,
    "[::1]:8080": True,
    "[fe80::1]": True,
    "": False,
    "evil.example": False,
    "films.example.evil.example": False,
    "localhost.": False,
    "127.0.0.1.evil.example": False,
    "evil.example#@films.example": False,
    "films.example:x": False,
    "[evil]": False,
    "[::1": False,
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_one_of_its_names_or_an_address(host: str) -> None:
    assert NAMES.include(host) is HOSTS[host]


PAGES = {
    "https://films.example": True,
    "https://films.example:443": True,
    "http://box:8080": True,
    "http://films.example": False,
    "https://films.example:444": False,
    "https://evil.example": False,
    "http://box": False,
    "null": False,
    "": False,
    "http://[": False,
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_of_the_public_address_or_of_the_one_it_asked(page: str) -> None:
    assert NAMES.are_of_page(page, "http://box:8080") is PAGES[page]


def test_an_unreadable_host_makes_no_page_its_own() -> None:
    assert not NAMES.are_of_page("http://box:8080", "http://[")
