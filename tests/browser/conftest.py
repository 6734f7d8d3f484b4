"""A real browser: Debian's chromium, driven by Playwright, without a network.

Without one the tests are skipped and say so. `RANKGEN_CHROMIUM` names another executable;
`RANKGEN_SCREENSHOTS` a folder that pictures of the pages are written to.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from labelled_in_process import label_in_process, write_candidates
from odd_runs import write_odd
from watched import DESK, Open, Scheme, Watched, apart

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.pages.settings import ReportSettings
from rankgen.students.pages.write import PAGE, report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXECUTABLE = "RANKGEN_CHROMIUM"
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's executable."""
    found = os.environ.get(EXECUTABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no chromium is installed and {EXECUTABLE} names none: no page was opened")
    pytest.importorskip("playwright", reason="playwright is not installed: no page was opened")
    return found


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser, started once.

    Playwright keeps an event loop running in this thread until it is stopped, so that nothing else
    here may run one: see `apart`. The tests of other folders find it stopped.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens pages, in a window of a size and in light or dark; they must have no errors."""
    made: list[Watched] = []

    def opened(
        address: str, size: tuple[int, int] = DESK, scheme: Scheme = "light", scripts: bool = True
    ) -> Watched:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(60_000)
        watched = Watched(context.new_page())
        made.append(watched)
        watched.watch()
        watched.page.goto(address)
        return watched

    yield opened
    for watched in made:
        watched.page.context.close()
    for watched in made:
        watched.check()


@pytest.fixture(scope="session")
def sliding(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of 120 lists of 20 passages, ordered by windows of 5 by 2."""
    folder = tmp_path_factory.mktemp("sliding")
    source = write_candidates(folder / "candidates", 120, 20)
    return apart(lambda: label_in_process(source, folder / "labels", 2))


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of odd ids and texts; see `odd_runs`."""
    return write_odd(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes the report of runs and returns its address."""

    def report_of(*runs: Path, **more: object) -> str:
        out = tmp_path_factory.mktemp("report")
        report(ReportSettings.model_validate({"runs": runs, "out": out, **more}))
        return (out / PAGE).as_uri()

    return report_of
