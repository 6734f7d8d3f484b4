"""Ids and texts that try to break out of the page, and runs that are not whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import write_candidates, write_labels
from odd_runs import FAILED, IMAGE, LONG, NAME, ODD_IDS, ODD_TEXTS, SCRIPT
from watched import DESK, PHONE, Open

from rankgen.manifests.run.run_directory import RunDirectory

ReportOf = Callable[..., str]


@pytest.fixture(scope="module")
def address(report_of: ReportOf, odd: RunDirectory) -> str:
    return report_of(odd.root)


def test_ids_and_texts_are_only_shown(opened: Open, address: str) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    assert page.locator("h1").inner_text() == NAME
    for query_id in ODD_IDS:
        page.fill("#query-search", query_id)
        (option,) = page.locator("#query-list [role=option]").all()
        assert option.get_attribute("data-query") == query_id
        page.locator("#query-title", has_text=f"what is {query_id}?").wait_for()
        if query_id == FAILED:
            continue
        ids = page.locator(".column.right li .id").all_inner_texts()
        assert ids == [f"{query_id}/d{place}" for place in (3, 2, 1, 0)]
    assert page.evaluate("window.broken") is None
    assert page.locator("main img, main script, #query-detail b b").count() == 0


def test_an_address_names_any_query(opened: Open, address: str) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    for query_id in ODD_IDS:
        page.fill("#query-search", query_id)
        page.click("#query-list [role=option]")
        page.locator("#query-title", has_text=f"what is {query_id}?").wait_for()
        other = opened(page.evaluate("location.href")).page
        other.locator("#query-title", has_text=f"what is {query_id}?").wait_for()
        other.context.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_texts_in_full(opened: Open, address: str, size: tuple[int, int]) -> None:
    watched = opened(address, size)
    page = watched.page
    page.locator("#query-title").wait_for()
    page.fill("#query-search", SCRIPT)
    page.locator("#query-title", has_text=SCRIPT).wait_for()
    watched.picture(f"odd-{size[0]}")
    assert watched.violations() == []
    for place, text in enumerate(ODD_TEXTS):
        page.locator(".column.right li button").nth(3 - place).click()
        shown = page.locator("#passage")
        if place == 1:
            assert IMAGE in shown.inner_text()
        if text is LONG:
            page.click("#passage-more")
            assert page.locator("#passage-text").text_content() == LONG
        else:
            words = [word for word in text.split() if word.isprintable()]
            content = shown.text_content() or ""
            assert [word for word in words if word not in content] == []
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.keyboard.press("Escape")
    assert page.evaluate("window.broken") is None


def test_control_characters_are_drawn(opened: Open, address: str) -> None:
    page = opened(address).page
    page.locator("#query-title").wait_for()
    page.fill("#query-search", "__proto__")
    page.locator("#query-title", has_text="__proto__").wait_for()
    page.locator(".column.right li button").nth(1).click()
    assert "a\u2400b \u241b[31m" in page.locator("#passage").inner_text()


def test_a_run_without_texts(opened: Open, report_of: ReportOf, tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    run = write_labels(tmp_path / "labels", candidates)
    candidates.root.rename(tmp_path / "moved")
    for path in run.shard_paths("documents"):
        path.unlink()
    page = opened(report_of(run.root)).page
    page.locator("#query-title").wait_for()
    page.fill("#query-search", "q0002")
    page.locator("#query-title", has_text="q0002").wait_for()
    assert page.locator(".column.right li .id").first.inner_text() == "q0002/d3"
    assert "(no text)" in page.locator(".column.right li").first.inner_text()


def test_a_run_half_done(opened: Open, report_of: ReportOf, tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    run = write_labels(tmp_path / "labels", candidates, committed=1, failed=["7"])
    page = opened(report_of(run.root)).page
    page.locator("#query-title").wait_for()
    options = page.locator("#query-list [role=option]").all()
    ids = {str(one.get_attribute("data-query")) for one in options}
    assert ids >= set(run.read("rankings")["query_id"].to_pylist())
    # Texts of passages come from the run that is labelled.
    assert "about " in page.locator("#query-panel").inner_text()
