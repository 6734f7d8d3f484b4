"""The paper's tables: what it printed, what its means really are, and one's own runs beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.manifests.trec import Qrels
from rankgen.students.paper.means import (
    arithmetic_mean,
    geometric_mean,
    micro_mean,
    root_mean_square,
)
from rankgen.students.paper.reproduce import Sources, reproduce
from rankgen.students.paper.tables import TABLE_2, TABLES
from rankgen.students.paper.tirex import CORPORA, TASKS, TirexTask, dataset_of, tasks_of


@pytest.mark.parametrize("system", list(TABLE_2.rows))
def test_the_printed_g_mean_is_a_root_mean_square(system: str) -> None:
    arithmetic, printed = TABLE_2.printed_means[system]
    row = TABLE_2.rows[system]
    assert arithmetic_mean(row) == pytest.approx(arithmetic, abs=0.0012)
    assert root_mean_square(row) == pytest.approx(printed, abs=0.0012)
    assert geometric_mean(row) < arithmetic < printed


def test_the_true_geometric_means() -> None:
    found = [round(geometric_mean(row), 3) for row in TABLE_2.rows.values()]
    assert found == [0.294, 0.334, 0.286, 0.305, 0.320, 0.320, 0.329]


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20))
def test_means_are_ordered(values: list[float]) -> None:
    assert min(values) - 1e-9 <= geometric_mean(values) <= arithmetic_mean(values) + 1e-12
    assert arithmetic_mean(values) <= root_mean_square(values) + 1e-12


def test_a_zero_makes_the_geometric_mean_zero() -> None:
    assert geometric_mean([0.0, 0.5]) == 0


def test_queries_of_two_tasks_with_one_id_count_twice() -> None:
    assert micro_mean({"a": {"1": 1.0, "2": 0.0}, "b": {"1": 0.0, "2": 0.0}}) == 0.25


def test_every_row_has_a_figure_for_every_column() -> None:
    for table in TABLES.values():
        assert all(len(row) == len(table.columns) for row in table.rows.values())


def test_the_tasks_of_tirex() -> None:
    """By corpus: how many tasks and queries, and whether its documents can be had freely."""
    found = {
        corpus: (
            len(tasks_of(corpus)),
            sum(task.queries for task in tasks_of(corpus)),
            {task.has_free_documents for task in tasks_of(corpus)},
        )
        for corpus in CORPORA
    }
    assert found == {
        "Antique": (1, 200, {True}),
        "Args.me": (2, 49 + 50, {True}),
        "ClueWeb09": (4, 4 * 50, {False}),
        "ClueWeb12": (4, 4 * 50, {False}),
        "CORD-19": (1, 50, {True}),
        "Cranfield": (1, 225, {True}),
        "Disks4+5": (3, 50 + 50 + 250, {False}),
        "GOV": (3, 50 + 50 + 225, {False}),
        "GOV2": (3, 3 * 50, {False}),
        "MEDLINE": (4, 50 + 50 + 30 + 50, {True}),
        "MS MARCO": (2, 43 + 54, {True}),
        "NFCorpus": (1, 325, {True}),
        "Vaswani": (1, 93, {True}),
        "WaPo": (1, 50, {False}),
    }
    assert len({task.dataset_id for task in TASKS}) == 31


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.dataset_id)
def test_a_task_has_as_many_queries_as_ir_datasets_says(task: TirexTask) -> None:
    catalogue = pytest.importorskip("ir_datasets")
    assert catalogue.load(task.dataset_id).metadata()["queries"]["count"] == task.queries


def files(tmp_path: Path, name: str, grades: str, run: str) -> tuple[Path, Path]:
    (tmp_path / f"{name}.qrels").write_text(grades)
    (tmp_path / f"{name}.run").write_text(run)
    return tmp_path / f"{name}.qrels", tmp_path / f"{name}.run"


def test_own_runs_stand_beside_the_paper(tmp_path: Path) -> None:
    first = files(tmp_path, "a", "1 0 x 1\n2 0 x 1\n", "1 Q0 x 1 2 t\n1 Q0 y 2 1 t\n")
    second = files(tmp_path, "b", "1 0 x 1\n", "1 Q0 y 1 2 t\n")
    tasks = ["argsme/2020-04-01/touche-2020-task-1", "argsme/2020-04-01/touche-2021-task-1"]
    found = reproduce(
        "table2",
        Sources(
            {tasks[0]: first[0], tasks[1]: second[0]},
            {"mine": {tasks[0]: first[1], tasks[1]: second[1]}},
        ),
    )
    column = found.columns.index("Args.me")
    # Query 1 of the first task is right, its query 2 has no list, query 1 of the other is wrong.
    assert found.ours["mine"][column] == pytest.approx(1 / 3)
    assert [v for i, v in enumerate(found.ours["mine"]) if i != column] == [None] * 13
    assert found.our_means["mine"]["columns"] == 1
    assert not [sentence for sentence in found.missing if sentence.startswith("argsme")]
    assert len(found.missing) == 29
    (wapo,) = [sentence for sentence in found.missing if sentence.startswith("wapo")]
    assert wapo.endswith("its documents need a licence")


def test_a_run_of_other_queries_has_no_figure(tmp_path: Path) -> None:
    qrels, run = files(tmp_path, "a", "1 0 x 1\n2 0 x 1\n", "9 Q0 x 1 2 t\n")
    _, numbers = files(tmp_path, "b", "1 0 x 1\n", "1 Q0 x 1 2 t\n2.0 Q0 x 1 2 t\n")
    given = {"bm25/dl19": qrels, "bm25/dl20": qrels}
    found = reproduce("table1", Sources(given, {"mine": {"bm25/dl19": run, "bm25/dl20": numbers}}))
    assert found.ours["mine"] == (None, 0.5, None, None)
    assert found.missing[0] == (
        "bm25/dl19: a run of mine on this task's queries; 2 of 2 judged queries have no list in "
        f"{run} (first: 1)"
    )
    assert found.notes[-1] == (
        "bm25/dl20: 1 of 2 judged queries has no list in "
        f"{numbers} (first: 2); 1 of these ids would match as numbers (2 is 2.0 there): did a "
        "spreadsheet rewrite them?"
    )


def test_missing_judgements_are_fetched_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def catalogue(dataset_id: str) -> Callable[[], Qrels]:
        asked.append(dataset_id)
        return lambda: {"1": {"x": 1}}

    monkeypatch.setattr("rankgen.retrieval.collections.judgements.irds_qrels", catalogue)
    own, run = files(tmp_path, "a", "1 0 y 1\n", "1 Q0 x 1 2 t\n")
    runs = {"mine": {"bm25/dl19": run, "bm25/dl20": run}}
    found = reproduce("table1", Sources({"bm25/dl20": own}, runs, fetches=True))
    assert asked == ["msmarco-passage/trec-dl-2019/judged"]
    assert found.ours["mine"] == (1.0, 0.0, None, None)
    assert reproduce("table1", Sources({}, runs)).ours["mine"] == (None,) * 4
    assert {dataset_of(task) for column in TABLE_2.columns for task in column.tasks} == {
        task.dataset_id for task in TASKS
    }


def test_figure_1_averages_the_two_tasks(tmp_path: Path) -> None:
    first = files(tmp_path, "a", "1 0 x 1\n2 0 x 1\n", "1 Q0 x 1 2 t\n2 Q0 x 1 2 t\n")
    second = files(tmp_path, "b", "1 0 x 1\n", "1 Q0 y 1 2 t\n")
    qrels = {"bm25/dl19": first[0], "bm25/dl20": second[0]}
    runs = {"mine": {"bm25/dl19": first[1], "bm25/dl20": second[1]}}
    assert reproduce("figure1", Sources(qrels, runs)).ours["mine"] == (pytest.approx(0.5), None)


def test_wrong_names_get_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        reproduce("tabel1", Sources())
    assert error.value.hint == "did you mean 'table1' or 'table2'?"
    with pytest.raises(UsageError, match="table1 has no task 'bm25/dl91'"):
        reproduce("table1", Sources({"bm25/dl91": tmp_path}))


@pytest.mark.parametrize("name", list(TABLES))
def test_the_command_prints_the_paper_and_what_is_missing(name: str) -> None:
    shown = CliRunner().invoke(app, ["reproduce", name])
    assert shown.exit_code == 0, shown.output
    table = TABLES[name]
    for system, row in table.rows.items():
        (line,) = [
            x for x in shown.stdout.splitlines() if f" {system}  " in x and f"{row[0]:.3f}" in x
        ]
        assert all(f"{value:.3f}" in line for value in row)
    assert "missing: " in shown.stdout
    values = json.loads(CliRunner().invoke(app, ["reproduce", name, "--json"]).stdout)
    assert len(values["paper"]) == len(table.rows)


def test_a_run_in_the_wrong_form() -> None:
    refused = CliRunner().invoke(app, ["reproduce", "table1", "--run", "mine=run.trec"])
    assert refused.exit_code == 2
    assert "type --run SYSTEM:TASK=FILE" in refused.stderr
