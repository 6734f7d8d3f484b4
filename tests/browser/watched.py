"""A page in a browser, and everything it does that a user would not see."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

SCREENSHOTS = "RANKGEN_SCREENSHOTS"
DESK, PHONE = (1280, 900), (390, 844)
Scheme = Literal["light", "dark"]
LOCAL = ("file://", "data:", "blob:", "about:", "http://127.0.0.1:", "http://localhost:")


@dataclass
class Watched:
    """A page and what it did that a user would not see.

    Attributes:
        page: The page.
        errors: Errors and warnings of its scripts and of the console, and dialogs.
        strangers: Addresses it asked for that are neither a file nor this machine.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Notes from here on what the page does, and lets it reach nothing but this machine."""
        page = self.page
        page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda said: (
                self.errors.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.route("**/*", self._asked)

    def check(self) -> None:
        """Fails if the page had an error or asked the network for something."""
        assert self.errors == []
        assert self.strangers == []

    def violations(self) -> list[str]:
        """Returns what axe-core finds wrong for people who cannot see, point or tell colours."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]

    def picture(self, name: str) -> None:
        """Writes a picture of the whole page, if a folder for pictures is named."""
        if folder := os.environ.get(SCREENSHOTS):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def _asked(self, route: Route) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
            return
        self.strangers.append(route.request.url)
        route.abort()


Open = Callable[..., Watched]
Made = TypeVar("Made")


def apart(make: Callable[[], Made]) -> Made:
    """Returns what a function makes in a thread of its own, where it may run an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()
