"""Five teachers of the TREC Deep Learning track 2019 on one page: how far they agree."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_runs import write_first_stage, write_recorded
from typer.testing import CliRunner
from watched import DESK, PHONE, Open, Scheme, apart

from rankgen.generator.cli import app

ReportOf = Callable[..., str]
TEACHERS = {
    "vicuna-1": "teacher.rankvicuna-7b.on-bm25.top100.20230912T183614.trec",
    "vicuna-2": "teacher.rankvicuna-7b.on-bm25.top100.20230912T210006.trec",
    "gpt-3.5": "teacher.gpt-3.5-turbo.on-bm25.top100.20230804T232651.trec",
    "mistral": "teacher.rankmistral100.on-bm25.top100.fullrank.trec",
    "zero-shot": "teacher.vicuna-7b-v1.5.on-bm25.top100.20230819T145259.trec",
}


@pytest.fixture(scope="module")
def runs(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, collection = tmp_path_factory.mktemp("dl19"), test_data / "msmarco-dl19"
    source = write_first_stage(folder / "candidates", collection)
    files = {folder / name: collection / "runs" / file for name, file in TEACHERS.items()}
    apart(lambda: [write_recorded(source, root, file) for root, file in files.items()])
    return list(files)


@pytest.mark.data
def test_the_matrix_of_five_teachers(
    opened: Open, report_of: ReportOf, runs: list[Path], test_data: Path
) -> None:
    qrels = test_data / "msmarco-dl19" / "qrels" / "full.trec"
    address = report_of(*runs, qrels=qrels)
    compared = CliRunner().invoke(app, ["compare", *map(str, runs), "--json"])
    expected = {(p["one"], p["other"]): p for p in json.loads(compared.stdout)["agreement"]}
    assert expected.keys() == set(itertools.combinations(TEACHERS, 2))
    layouts: list[tuple[str, tuple[int, int], Scheme]] = [
        ("light", DESK, "light"),
        ("dark", DESK, "dark"),
        ("phone", PHONE, "light"),
    ]
    violations: dict[str, list[str]] = {}
    for name, size, scheme in layouts:
        watched = opened(address, size, scheme)
        page = watched.page
        page.locator("#query-title").wait_for()
        assert len(page.locator("#queries [role=option]").all()) == 43
        page.locator("#agreement svg").first.wait_for()
        drawn = page.locator("#agreement svg").first.text_content() or ""
        for pair in expected.values():
            assert f"{pair['tau']:.2f}".removeprefix("0") in drawn
        for teacher in TEACHERS:
            assert teacher in (page.locator("#agreement .charts").text_content() or "")
        page.locator("#agreement summary").click()
        rows = page.locator("#agreement tbody tr").all_inner_texts()
        told = {tuple(row.split("\t")[:2]): row.split("\t")[2:] for row in rows}
        assert told == {
            names: [
                str(pair["queries"]),
                f"{pair['tau']:.4f}",
                f"{pair['rbo']:.4f}",
                f"{pair['top']:.4f}",
                str(pair["same"]),
                f"{pair['passages_left_out']:,}",
            ]
            for names, pair in expected.items()
        }
        watched.picture(f"five-teachers-{name}")
        violations[name] = watched.violations()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert not any(violations.values()), violations
