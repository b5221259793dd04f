"""The reference pages are those of the code as it is."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
_spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
assert _spec
assert _spec.loader
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (DOCS / "reference" / name).read_text() == generate.PAGES[name](), "run: python docs/generate.py"
