"""What becomes of a release's NZB: no XML, an attack, or a listing that is careless or lies."""

import random
from collections.abc import Callable
from copy import deepcopy
from itertools import cycle
from typing import Literal
from xml.etree.ElementTree import Element, tostring

from defusedxml.ElementTree import fromstring

NzbFault = Literal[
    "external_entity",
    "billion_laughs",
    "html",
    "truncated",
    "shuffled",
    "duplicated",
    "wrong_sizes",
    "bogus_subjects",
    "first_file_unlisted",
]

NAMESPACE = "{http://www.newzbin.com/DTD/2003/nzb}"
WRONG_SIZES = ("1", "999999999999999", "-5", "0", "many")
BOGUS_SUBJECTS = (
    '"setup.exe" yEnc (9/1)',
    "",
    '[1/1] - "../../../etc/passwd" yEnc (1/1)',
    '"film.part01.rar" yEnc (1/1)',
    '"film.mkv.001" yEnc (1/3)',
)

_BROKEN: dict[NzbFault, bytes] = {
    "external_entity": (
        b'<?xml version="1.0"?><!DOCTYPE nzb [<!ENTITY leak SYSTEM "file:///etc/passwd">]>'
        b'<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb"><file poster="&leak;" date="1" subject="x">'
        b"<groups><group>a.b</group></groups><segments>"
        b'<segment bytes="1" number="1">&leak;</segment></segments></file></nzb>'
    ),
    "billion_laughs": (
        b'<?xml version="1.0"?><!DOCTYPE nzb [<!ENTITY a0 "ha">'
        + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
        + b']><nzb xmlns="http://www.newzbin.com/DTD/2003/nzb"><file subject="&a9;"/></nzb>'
    ),
    "html": b"<!DOCTYPE html><html><head><meta charset=utf-8><title>Log in</title></head></html>",
}


def broken_nzb(fault: NzbFault, nzb: bytes) -> bytes:
    """What a release's NZB becomes under that fault; the same every time."""
    if fault == "truncated":
        return nzb[: len(nzb) // 2]
    if change := _CHANGES.get(fault):
        root = fromstring(nzb)
        change(root)
        return tostring(root, "utf-8", xml_declaration=True)
    return _BROKEN[fault]


def _shuffle(root: Element) -> None:
    """Files and segments in any order."""
    rng = random.Random(1)
    for parent in [root, *root.iter(f"{NAMESPACE}segments")]:
        children = list(parent)
        rng.shuffle(children)
        parent[:] = children


def _duplicate(root: Element) -> None:
    """Every segment twice; and for every other one an article that was never posted, under its number."""
    for segments in root.iter(f"{NAMESPACE}segments"):
        for at, segment in enumerate(list(segments)):
            again = deepcopy(segment)
            again.text = f"never.{segment.text}" if at % 2 else segment.text
            segments.append(again)


def _lie_about_sizes(root: Element) -> None:
    for segment, lie in zip(root.iter(f"{NAMESPACE}segment"), cycle(WRONG_SIZES), strict=False):
        segment.set("bytes", lie)


def _lie_in_subjects(root: Element) -> None:
    for file, lie in zip(root.iter(f"{NAMESPACE}file"), cycle(BOGUS_SUBJECTS), strict=False):
        file.set("subject", lie)


def _leave_out_the_first_file(root: Element) -> None:
    files = [child for child in root if child.tag == f"{NAMESPACE}file"]
    root.remove(files[0])


_CHANGES: dict[NzbFault, Callable[[Element], None]] = {
    "shuffled": _shuffle,
    "duplicated": _duplicate,
    "wrong_sizes": _lie_about_sizes,
    "bogus_subjects": _lie_in_subjects,
    "first_file_unlisted": _leave_out_the_first_file,
}
