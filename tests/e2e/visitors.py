"""Everybody who visits in one test."""

from playwright.sync_api import Browser, BrowserContext, StorageState, ViewportSize

from tests.e2e.visitor import DESK, PHONE, Visitor
from tests.support.box import RunningBox


class Visitors:
    """Lets people in, each with a fresh browser profile, and sees them out again."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._all: list[Visitor] = []

    def come(
        self, box: RunningBox, screen: ViewportSize = DESK, membership: StorageState | None = None
    ) -> Visitor:
        """Somebody with an empty window, who has not been here before unless there is a membership."""
        is_phone = screen == PHONE
        context = self._browser.new_context(
            base_url=box.url,
            viewport=screen,
            is_mobile=is_phone,
            has_touch=is_phone,
            locale="en-GB",
            timezone_id="UTC",
            storage_state=membership,
        )
        self._contexts.append(context)
        visitor = Visitor(context)
        self._all.append(visitor)
        return visitor

    def come_in(self, box: RunningBox, path: str = "/") -> Visitor:
        """Somebody at a desk who has not been here before and signs in."""
        visitor = self.come(box)
        visitor.goto(path)
        visitor.sign_in()
        visitor.expect_inside()
        return visitor

    def complaints(self) -> list[str]:
        """What the consoles of all of them said that no test expected."""
        return [complaint for visitor in self._all for complaint in visitor.complaints]

    def leave(self) -> None:
        for context in self._contexts:
            context.close()
