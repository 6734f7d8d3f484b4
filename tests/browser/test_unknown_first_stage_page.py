"""The page of an import without a first stage: the teacher's order stands alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner
from watched import Open, apart

from rankgen.generator.cli import app

ReportOf = Callable[..., str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One import without a first stage, and two that have the same one."""
    root = tmp_path_factory.mktemp("imports")

    def write(name: str, after: str, before: str | None) -> Path:
        row = {"qid": "q", "final_list": list(after), "initial_list": before and list(before)}
        source = root / f"{name}.jsonl"
        source.write_text(json.dumps(row) + "\n", encoding="utf-8")
        words = ["import", "auto", str(source), "--out", str(root / name)]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return root / name

    lists = [("alone", "cabd", None), ("one", "cabd", "abcd"), ("other", "dabc", "abcd")]
    return apart(lambda: [write(*each) for each in lists])


def test_an_order_stands_alone(opened: Open, report_of: ReportOf, runs: list[Path]) -> None:
    page = opened(report_of(runs[0])).page
    page.locator("#query-detail .column").first.wait_for()
    assert page.locator("#query-detail .column").count() == 1
    assert page.locator("#query-detail .column .id").all_inner_texts() == list("cabd")
    assert page.locator("#query-detail .move").count() == 0
    assert "first stage" not in page.locator("#query-detail").inner_text()


def test_runs_with_one_first_stage_are_held_against_it(
    opened: Open, report_of: ReportOf, runs: list[Path]
) -> None:
    page = opened(report_of(*runs)).page
    page.locator("#query-detail .column").first.wait_for()
    heads = page.locator("#query-detail .column h4")
    for number, expected in enumerate(
        (["alone"], ["first stage", "one"], ["first stage", "other"])
    ):
        page.select_option("#query-run", str(number))
        heads.nth(len(expected) - 1).wait_for()
        assert heads.all_inner_texts() == expected
