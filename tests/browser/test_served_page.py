"""The page of `rankgen serve` in a real browser is that of the report."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from odd_runs import FAILED, LONG, ODD_IDS
from serving import served
from watched import Open

from rankgen.manifests.run.run_directory import RunDirectory


@pytest.fixture(scope="module")
def address(odd: RunDirectory) -> Iterator[str]:
    with served(odd.root) as address:
        yield address


def test_queries_come_as_they_are_looked_at(opened: Open, address: str) -> None:
    watched = opened(address)
    page = watched.page
    page.locator("#query-title").wait_for()
    for query_id in ODD_IDS:
        page.fill("#query-search", query_id)
        page.locator("#query-title", has_text=f"what is {query_id}?").wait_for()
        if query_id != FAILED:
            ids = page.locator(".column.right li .id").all_inner_texts()
            assert ids == [f"{query_id}/d{place}" for place in (3, 2, 1, 0)]
    page.locator(".column.right li button").first.click()
    page.click("#passage-more")
    assert page.locator("#passage-text").text_content() == LONG
    page.keyboard.press("Escape")
    page.click("#tab-windows")
    assert page.locator("#step-status").inner_text().startswith("Call 1 of ")
    assert page.evaluate("window.broken") is None
    assert watched.violations() == []


def test_another_sites_page_cannot_read_the_run(opened: Open, address: str) -> None:
    # "localhost" is another site than the address, for a browser.
    watched = opened(address.replace("127.0.0.1", "localhost"))
    page = watched.page
    page.locator("#query-title").wait_for()
    watched.errors.clear()
    read = page.evaluate(
        """async (address) => {
            try { return (await fetch(`${address}report-data/index.js`)).status; }
            catch (error) { return String(error); }
        }""",
        address,
    )
    assert "TypeError" in read
    assert watched.errors
    watched.errors.clear()
