"""The page of a run in a real browser: search, paging, sorting, stepping, and by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from made_runs import write_candidates as write_odd_candidates
from made_runs import write_labels
from watched import DESK, PHONE, Open, Scheme, Watched

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.pages.opened_run import open_run
from rankgen.students.pages.passages import Passages
from rankgen.students.pages.query_view import query_view

if TYPE_CHECKING:
    from playwright.sync_api import Page

ReportOf = Callable[..., str]
LAYOUTS: list[tuple[str, tuple[int, int], Scheme]] = [
    ("light", DESK, "light"),
    ("dark", DESK, "dark"),
    ("phone", PHONE, "light"),
]


@pytest.fixture(scope="module")
def address(report_of: ReportOf, sliding: RunDirectory) -> str:
    return report_of(sliding.root)


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with repaired and failed calls, and two quarantined queries."""
    folder = tmp_path_factory.mktemp("repaired")
    candidates = write_odd_candidates(folder / "candidates", 12)
    return write_labels(folder / "labels", candidates, failed=["007", "q0001"])


def ids_of(page: Page) -> list[str]:
    """Returns the queries of the list as it is shown."""
    options = page.locator("#query-list [role=option]")
    return [str(one.get_attribute("data-query")) for one in options.all()]


def title(page: Page) -> str:
    return page.locator("#query-title").inner_text()


def test_search(opened: Open, address: str) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    page.fill("#query-search", "QUERY 117")
    assert ids_of(page) == ["q117"]
    page.locator("#query-title", has_text="query 117").wait_for()
    page.fill("#query-search", "no such words")
    assert ids_of(page) == []
    assert "no query" in page.locator("#page-status").inner_text()
    page.fill("#query-search", "")
    assert len(ids_of(page)) == 50


def test_paging(opened: Open, address: str, sliding: RunDirectory) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    found = ids_of(page)
    assert page.locator("#page-previous").is_disabled()
    for shown in ("51\u2013100 of 120", "101\u2013120 of 120"):
        page.click("#page-next")
        assert page.locator("#page-status").inner_text() == shown
        found += ids_of(page)
    assert page.locator("#page-next").is_disabled()
    assert found == sorted(sliding.read("rankings")["query_id"].to_pylist())


def test_the_most_changed_lists_come_first(
    opened: Open, address: str, sliding: RunDirectory
) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    page.select_option("#query-sort", "moved")
    run = open_run(sliding.root)
    tau = {}
    for query_id in run.query_ids():
        (view,) = query_view(query_id, [run], Passages([]))["runs"]
        assert view is not None
        assert view["movement"] is not None
        tau[query_id] = round(view["movement"]["tau"], 4)
    assert ids_of(page) == sorted(tau, key=lambda q: (tau[q], q))[:50]


def test_both_lists_stand_side_by_side(opened: Open, address: str, sliding: RunDirectory) -> None:
    watched = opened(f"{address}#q=q42")
    page = watched.page
    page.locator("#query-title", has_text="query 42").wait_for()
    (row,) = (r for r in sliding.read("rankings").to_pylist() if r["query_id"] == "q42")
    found = sorted(zip(row["retrieval_positions"], row["doc_ids"], strict=True))
    sides = {"left": [doc_id for _, doc_id in found], "right": row["doc_ids"]}
    for side, expected in sides.items():
        assert page.locator(f".column.{side} li .id").all_inner_texts() == expected
    risen = row["retrieval_positions"][0] - 1
    first = page.locator(".column.right li").first.inner_text()
    assert (f"▲ {risen}" if risen else "=") in first
    page.locator(".column.right li button").first.click()
    assert page.locator("#passage-title").inner_text() == row["doc_ids"][0]
    assert f"passage {row['doc_ids'][0][1:]}" in page.locator("#passage").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#passage").is_visible()


def test_how_far_a_passage_moved_fits_on_a_phone(
    opened: Open, report_of: ReportOf, repaired: RunDirectory
) -> None:
    qrels = repaired.root.parent / "candidates" / "qrels.tsv"
    for size in (PHONE, (320, 640)):
        page = opened(f"{report_of(repaired.root, qrels=qrels)}#q=q0003", size).page
        page.locator(".column.right .mark", has_text="score").first.wait_for(state="attached")
        cut = """found => found.filter(one => one.getBoundingClientRect().right
            > one.parentElement.getBoundingClientRect().right + 1).length"""
        assert page.locator(".column.right .move").evaluate_all(cut) == 0


def test_stepping_through_windows(opened: Open, address: str, sliding: RunDirectory) -> None:
    page = opened(f"{address}#q=q42").page
    page.locator("#query-title", has_text="query 42").wait_for()
    run = open_run(sliding.root)
    view = query_view("q42", [run], Passages([]))
    assert view["runs"][0] is not None
    steps = view["runs"][0]["steps"]
    ids = [document["doc_id"] for document in view["documents"]]
    page.click("#tab-windows")
    for number, step in enumerate(steps):
        status = page.locator("#step-status").inner_text()
        assert status.startswith(f"Call {number + 1} of {len(steps)}: ")
        assert f"ranks {step['start'] + 1} to {step['end']}" in status
        shown = page.locator("#step .column.left li .id").all_inner_texts()
        assert shown == [ids[place] for place in step["shown"]]
        answer = page.locator("#step .column.right li .id").all_inner_texts()
        assert answer == [ids[place] for place in step["answer"] or ()]
        if number < len(steps) - 1:
            page.click("#step-next")
    assert page.locator("#step-next").is_disabled()


def test_with_the_keyboard_alone(opened: Open, address: str) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    press = page.keyboard.press
    press("/")
    page.keyboard.type("query 11")
    assert ids_of(page) == ["q11", *(f"q11{n}" for n in range(10))]
    press("Enter")
    press("j")
    page.locator("#query-title", has_text="query 110").wait_for()
    press("k")
    press("End")
    page.locator("#query-title", has_text="query 119").wait_for()
    page.locator("#tab-lists").focus()
    press("ArrowRight")
    assert page.locator("#step-status").inner_text().startswith("Call 1 of ")
    page.locator("#query-list").focus()
    press("ArrowRight")
    assert page.locator("#step-status").inner_text().startswith("Call 2 of ")
    press("ArrowLeft")
    assert page.locator("#step-status").inner_text().startswith("Call 1 of ")


def test_every_control_can_be_reached(opened: Open, address: str) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    active = "document.activeElement.id || document.activeElement.className"
    page.keyboard.press("Tab")
    assert page.evaluate(active) == "skip"
    page.keyboard.press("Enter")
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(active))
    search = ["query-search", "query-filter", "query-sort", "query-list", "page-next"]
    assert reached == [*search, "tab-lists", "left-list", "right-list"]


def test_failed_and_repaired_calls(
    opened: Open, report_of: ReportOf, repaired: RunDirectory
) -> None:
    watched = opened(report_of(repaired.root))
    page = watched.page
    page.locator("#query-title").wait_for()
    page.select_option("#query-filter", "quarantined")
    assert ids_of(page) == ["007", "q0001"]
    page.locator("#query-title", has_text="007").wait_for()
    assert "the server said no" in page.locator("#query-detail").inner_text()
    calls = repaired.read("windows").to_pylist()
    page.select_option("#query-filter", "failed")
    failed = {call["query_id"] for call in calls if call["outcome"] == "error"}
    assert set(ids_of(page)) == failed
    page.locator("#query-title", has_text=min(failed)).wait_for()
    page.click("#tab-windows")
    assert "no answer" in page.locator("#step").inner_text()
    page.select_option("#query-filter", "degraded")
    degraded = {call["query_id"]: call for call in calls if call["outcome"] == "repaired"}
    assert set(ids_of(page)) == degraded.keys()
    first = ids_of(page)[0]
    page.locator("#query-title", has_text=first).wait_for()
    assert page.locator("#step-said").inner_text() == degraded[first]["output_text"]
    assert "1 passage left out" in page.locator("#step").inner_text()
    watched.picture("repaired-answer")


@pytest.mark.parametrize(("name", "size", "scheme"), LAYOUTS)
def test_nothing_stands_in_anybodys_way(
    opened: Open,
    report_of: ReportOf,
    repaired: RunDirectory,
    name: str,
    size: tuple[int, int],
    scheme: Scheme,
) -> None:
    watched = opened(f"{report_of(repaired.root)}#q=q0002", size, scheme)
    page = watched.page
    page.locator("#query-title").wait_for()
    seen = {"lists": _found(watched, f"lists-{name}")}
    page.click("#tab-windows")
    seen["windows"] = _found(watched, f"windows-{name}")
    page.locator("#step .column.left button").first.click()
    seen["passage"] = _found(watched, f"passage-{name}")
    assert seen == {"lists": [], "windows": [], "passage": []}
    # The page is not wider than the window, so that nothing has to be pushed about.
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def _found(watched: Watched, name: str) -> list[str]:
    watched.picture(name)
    return watched.violations()


def test_without_scripts_the_page_says_so(opened: Open, address: str) -> None:
    page = opened(address, scripts=False).page
    assert "The queries need JavaScript" in page.locator("main").inner_text()
