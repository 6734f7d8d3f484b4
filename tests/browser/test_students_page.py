"""The page that compares evaluations, in a real browser: its charts, and a dot that leads on."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_evaluations import two_evaluations
from watched import Open, Scheme, apart

from rankgen.students.pages.settings import ReportSettings
from rankgen.students.pages.write import PAGE, report


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_and_a_dot_leads_to_its_query(
    opened: Open, tmp_path: Path, scheme: Scheme
) -> None:
    def written() -> str:
        runs = tuple(two_evaluations(tmp_path))
        report(ReportSettings(runs=runs, out=tmp_path / "page"))
        return (tmp_path / "page" / PAGE).as_uri()

    watched = opened(apart(written), scheme=scheme)
    page = watched.page
    page.locator("[data-chart=differences] svg").first.wait_for()
    # Both systems that are not the first one have a chart of their own.
    assert page.locator("[data-chart=differences] figure").count() == 2
    # Dots hold nothing that a keyboard would stop at inside of a picture.
    assert watched.violations() == []
    chart = page.locator("[data-chart=differences] figure").first
    assert chart.locator("a, [tabindex]").count() == 0
    dots = chart.locator("circle")
    assert dots.count() == 8
    # Sorted by difference: the first student is not better than the first system on q7 alone.
    dots.first.click()
    assert page.evaluate("location.hash") == "#q=q7"
    row = page.locator("tr[id='q=q7']")
    assert row.evaluate("one => one.getBoundingClientRect().top < innerHeight")
