"""An import that knows no first stage: neither `show` nor a page makes its own order one."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.manifests.forms.writers.run_lists import RunLists, Wanted
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.pages.displacement import displacement_of
from rankgen.students.pages.judged import judged
from rankgen.students.pages.opened_run import open_run
from rankgen.students.pages.page_file import PAGE

KNOWN, ALONE = "known", "alone"


def typed(*words: object) -> str:
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done.stdout


def imported(folder: Path, name: str, *lists: tuple[str, str, str | None]) -> Path:
    """Imports lists: query id, the teacher's order, the first stage's if it is known."""
    rows = [
        {"qid": query_id, "final_list": list(after), "initial_list": before and list(before)}
        for query_id, after, before in lists
    ]
    source = folder / f"{name}.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    typed("import", "auto", source, "--out", folder / name)
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two imports without a first stage, their mixture, all published, and one of both kinds."""
    root = tmp_path_factory.mktemp("imports")
    one = imported(root, "one", (ALONE, "cabd", None))
    other = imported(root, "other", (ALONE, "abdc", None))
    typed("mix", one, other, "--out", root / "mixed")
    for name in ("one", "mixed"):
        typed("publish", root / name, "--to", root / f"public-{name}")
    imported(root, "both", (ALONE, "cabd", None), (KNOWN, "cabd", "abcd"))
    return root


def view_of(root: Path, query_id: str) -> dict[str, Any]:
    (run,) = json.loads(typed("show", root, query_id, "--json"))["runs"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize("name", ["one", "mixed", "public-one", "public-mixed", "both"])
def test_an_order_without_a_first_stage_stands_alone(folder: Path, name: str) -> None:
    text = typed("show", folder / name, ALONE)
    assert "its first stage is not known" in text
    head = next(line for line in text.splitlines() if line.startswith("rank"))
    assert not re.search(r"first stage|moved", head)
    assert not re.search(r"tau|new|▲|▼|=", text)
    run = view_of(folder / name, ALONE)
    assert (run["before"], run["rises"], run["movement"]) == ([], [None] * 4, None)
    assert len(run["after"]) == 4


def test_a_first_stage_that_is_known_is_shown(folder: Path) -> None:
    text = typed("show", folder / "both", KNOWN)
    assert re.search(r"first stage +moved", text)
    run = view_of(folder / "both", KNOWN)
    assert (run["rises"], run["movement"]["largest_rise"]) == ([2, -1, -1, 0], 2)


def test_an_export_makes_no_first_stage_of_a_list_without_one(folder: Path) -> None:
    def exported(*words: object) -> Result:
        command = ["export", *words, folder / "both", "--out", folder / "out.jsonl", "--overwrite"]
        return CliRunner().invoke(app, [str(word) for word in command])

    for words in (("lists", "--order", "first-stage", "--scores", "order"), ("fullrank",)):
        refused = exported(*words)
        assert (refused.exit_code, f"query {ALONE} is not known" in refused.stderr) == (2, True)
    assert exported("lists").exit_code == 0
    rows = RunLists(RunDirectory(folder / "both"), Wanted(), Counter())
    stages = {ranked.query_id: ranked.first_stage for ranked in rows}
    assert stages == {ALONE: None, KNOWN: tuple("abcd")}


def test_a_page_tells_of_the_teacher_alone(folder: Path) -> None:
    qrels = folder / "qrels.txt"
    qrels.write_text(f"{ALONE} 0 a 1\n{ALONE} 0 c 0\n", encoding="utf-8")
    typed("report", folder / "mixed", "--qrels", qrels, "--out", folder / "page")
    page = (folder / "page" / PAGE).read_text(encoding="utf-8")
    assert 'id="judged"' in page
    assert 'id="displacement"' not in page
    run = open_run(folder / "mixed")
    found = judged(run, {ALONE: {"a": 1, "c": 0}})
    assert found is not None
    told, gains = found
    assert (told["first_stage"], told["better"], told["worse"], gains) == (None, None, None, {})
    assert told["teacher"] == 1
    assert {row["order"] for row in told["grades"]} == {"teacher"}
    assert (told["demoted"], told["promoted"]) == ([], [])
    assert displacement_of(run) is None
    both = displacement_of(open_run(folder / "both"))
    assert both is not None
    assert (both["lists"], both["unchanged"]) == (1, 0)
