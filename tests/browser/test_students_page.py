"""The page that compares evaluations, in a real browser: its charts, and a dot that leads on."""

from __future__ import annotations

from pathlib import Path

from two_evaluations import two_evaluations
from watched import Open, apart

from rankgen.students.pages.settings import ReportSettings
from rankgen.students.pages.write import PAGE, report


def test_charts_are_drawn_and_a_dot_leads_to_its_query(opened: Open, tmp_path: Path) -> None:
    def written() -> str:
        runs = tuple(two_evaluations(tmp_path))
        report(ReportSettings(runs=runs, out=tmp_path / "page"))
        return (tmp_path / "page" / PAGE).as_uri()

    page = opened(apart(written)).page
    page.locator("[data-chart=differences] svg").first.wait_for()
    # Both systems that are not the first one have a chart of their own.
    assert page.locator("[data-chart=differences] figure").count() == 2
    page.evaluate("location.hash = '#q=q7'")
    row = page.locator("tr[id='q=q7']")
    assert row.evaluate("one => one.getBoundingClientRect().top < innerHeight")
