"""A real browser: Debian's chromium, driven by Playwright, without a network.

Without one the tests are skipped and say so. `RANKGEN_CHROMIUM` names another executable;
`RANKGEN_SCREENSHOTS` a folder that pictures of the pages are written to.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

EXECUTABLE, SCREENSHOTS = "RANKGEN_CHROMIUM", "RANKGEN_SCREENSHOTS"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK, PHONE = (1280, 900), (390, 844)
Scheme = Literal["light", "dark"]
# The page shows the failed request itself as an error of the console.
LOCAL = ("file://", "data:", "blob:", "about:", "http://127.0.0.1:")


@dataclass
class Watched:
    """A page and what it did that a user would not see.

    Attributes:
        page: The page.
        errors: Errors of its scripts and of the console.
        strangers: Addresses it asked for that are neither a file nor this machine.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Fails if the page had an error or asked the network for something."""
        assert self.errors == []
        assert self.strangers == []

    def picture(self, name: str) -> None:
        """Writes a picture of the whole page, if a folder for pictures is named."""
        if folder := os.environ.get(SCREENSHOTS):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


Open = Callable[..., Watched]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser, started once."""
    executable = os.environ.get(EXECUTABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"no chromium is installed and {EXECUTABLE} names none: no page was opened")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed: no page was opened")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens pages, in a window of a size and in light or dark; they must have no errors."""
    made: list[Watched] = []

    def opened(
        address: str, size: tuple[int, int] = DESK, scheme: Scheme = "light", **more: object
    ) -> Watched:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            **more,  # type: ignore[arg-type]
        )
        context.set_default_timeout(10_000)
        watched = Watched(context.new_page())
        made.append(watched)
        _watch(watched)
        watched.page.goto(address)
        return watched

    yield opened
    for watched in made:
        watched.check()
        watched.page.context.close()


def _watch(watched: Watched) -> None:
    page = watched.page
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on(
        "console",
        lambda said: (
            watched.errors.append(said.text) if said.type in ("error", "warning") else None
        ),
    )

    def request(route: Route) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            watched.strangers.append(route.request.url)
            route.abort()

    page.route("**/*", request)
