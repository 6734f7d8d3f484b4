"""`reproduce` from evaluations: its marks, its guards, and what a wrong source is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.students.evaluation.equivalence import margin_test
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.paper.comparisons import compare_systems
from rankgen.students.paper.reproduce import Sources, reproduce
from rankgen.students.paper.tables import Column

QUERIES = [f"q{number:02d}" for number in range(30)]
TASK = "bm25/dl19"


def run_file(path: Path, relevant_at: dict[str, int], beyond: bool = False) -> Path:
    """Writes a run whose relevant passage stands at a place of five; 0 leaves it last."""
    lines = []
    for query, place in relevant_at.items():
        others = [f"{query}-o{number}" for number in range(4)]
        if beyond:
            others[3] = f"{query}-new"
        others.insert(place, f"{query}-r")
        lines += [f"{query} Q0 {d} {r} {9 - r} t" for r, d in enumerate(others, start=1)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "qrels").write_text("".join(f"{q} 0 {q}-r 1\n" for q in QUERIES))
    places = {
        "first": {q: n % 5 for n, q in enumerate(QUERIES)},
        "good": dict.fromkeys(QUERIES, 0),
        "same": {q: int(n == 3) for n, q in enumerate(QUERIES)},
        "bad": {q: 3 + n % 2 for n, q in enumerate(QUERIES)},
    }
    made = {name: run_file(tmp_path / f"{name}.run", at) for name, at in places.items()}
    return {"qrels": tmp_path / "qrels", **made}


def runs_of(files: dict[str, Path]) -> Sources:
    names = {"first stage": "first", "RankZephyr": "good", "close": "same", "mine": "bad"}
    return Sources({TASK: files["qrels"]}, {n: {TASK: files[f]} for n, f in names.items()})


def test_margin_tests_are_one_sided_t_tests_of_shifted_differences() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random(40), generator.random(40)
    found = margin_test(a, b, 0.1)
    below = stats.ttest_1samp(b - a + 0.1, 0, alternative="greater").pvalue
    above = stats.ttest_1samp(b - a - 0.1, 0, alternative="less").pvalue
    assert found.not_worse == pytest.approx(below)
    assert found.equivalent == pytest.approx(max(below, above))
    assert margin_test(a, a, 0.1) == (0.0, 0.0)
    assert margin_test(a, a - 0.2, 0.1) == (1.0, 1.0)
    assert margin_test(a, a + 0.2, 0.1) == (0.0, 1.0)
    assert margin_test(a[:1], b[:1], 0.1) == (None, None)


def test_systems_are_marked_against_the_reference(files: dict[str, Path]) -> None:
    found = reproduce("table1", runs_of(files), margin=0.05)
    assert found.reference == "RankZephyr"
    marks = {system: found.marks(system, "BM25 DL19") for system in found.ours}
    # One query of 30 loses (1 - 1 / log2(3)): within the margin, and no difference that is shown.
    assert marks == {"first stage": "†", "RankZephyr": "", "close": "≈", "mine": "†"}
    (best,) = [
        c
        for c in reproduce("table1", runs_of(files), reference="mine", margin=0.05).comparisons
        if c.test.b == "RankZephyr"
    ]
    assert best.marks == "†≥"


def test_holm_counts_the_systems_of_a_column() -> None:
    generator = np.random.default_rng(1)
    values = {
        name: {TASK: dict(zip(QUERIES, generator.random(30).tolist(), strict=True))}
        for name in ("a", "b", "c", "d")
    }
    found = compare_systems([Column("x", (TASK,))], values, "a", 0.02)
    smallest = min(found, key=lambda one: one.test.p or 1)
    assert smallest.test.p_holm == pytest.approx(min(1, 3 * (smallest.test.p or 1)))
    vectors = {name: np.array(list(of_task[TASK].values())) for name, of_task in values.items()}
    raw = [margin_test(vectors["a"], vectors[other], 0.02) for other in "bcd"]
    assert min(one.p_equivalent or 0 for one in found) == pytest.approx(
        min(1, 3 * min(one.equivalent or 0 for one in raw))
    )


def test_a_run_that_re_ranks_another_first_stage_is_refused(
    files: dict[str, Path], tmp_path: Path
) -> None:
    at = dict.fromkeys(QUERIES, 1)
    foreign = run_file(tmp_path / "foreign.run", at, beyond=True)
    sources = runs_of(files)
    wrong = Sources(sources.qrels, {**sources.runs, "other": {TASK: foreign}})
    with pytest.raises(UsageError, match=r"'other' for bm25/dl19 is from another first stage: 30"):
        reproduce("table1", wrong)


def evaluated(
    out: Path, files: dict[str, Path], candidates: Path | None = None, **more: object
) -> Path:
    evaluate(
        EvaluationSettings.model_validate(
            {
                "qrels": files["qrels"],
                "runs": (files["good"], files["bad"]),
                "candidates": candidates,
                "bootstrap_samples": 100,
                "randomisation_samples": 100,
                "out": out,
                **more,
            }
        )
    )
    return out


def reproduced(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["reproduce", "table1", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def test_evaluations_have_the_figures_of_their_runs(files: dict[str, Path], tmp_path: Path) -> None:
    out = evaluated(tmp_path / "evaluation", files)
    words = ["--evaluation", f"{TASK}={out}", "--row", "RankZephyr=good", "--json"]
    code, shown, _ = reproduced(*words, "--out", tmp_path / "table")
    assert code == 0
    told = json.loads(shown)
    by_runs = reproduce("table1", runs_of(files))
    assert told["ours"]["RankZephyr"] == list(by_runs.ours["RankZephyr"])
    assert told["ours"]["bad"] == list(by_runs.ours["mine"])
    assert json.loads((tmp_path / "table" / "reproduction.json").read_text()) == told
    assert "| RankZephyr | **1.000** (0.719) |" in (tmp_path / "table" / "table.md").read_text()


def test_wrong_sources_are_one_sentence(files: dict[str, Path], tmp_path: Path) -> None:
    out = evaluated(tmp_path / "evaluation", files)
    other = {**files, "qrels": tmp_path / "other"}
    other["qrels"].write_text(files["qrels"].read_text() + "q99 0 x 1\n")
    judged = evaluated(tmp_path / "judged", other)
    average = evaluated(tmp_path / "average", files, measures=("AP",))
    given = ["--evaluation", f"{TASK}={out}"]
    wrong = {
        (*given, "--row", "RankZephyr=goood"): "names the system 'goood', which no evaluation has",
        (*given, "--row", "a=good", "--row", "b=good"): "'a' and 'b' name the same system 'good'",
        (*given, *given): "'bm25/dl19' is given twice",
        (*given, "--reference", "mine"): "no figures of 'mine' to test the others against",
        (*given, "--evaluation", f"colbertv2/dl19={judged}"): "judged by different judgements",
        ("--evaluation", f"{TASK}={average}"): "was not evaluated by nDCG@10",
        ("--evaluation", f"{TASK}={tmp_path}"): "holds no evaluation",
        ("--evaluation", f"bm25/dl91={out}"): "table1 has no task 'bm25/dl91'",
        ("--ablation", str(tmp_path)): "holds no ablation",
        (*given, "--run", f"x:{TASK}={files['bad']}", "--qrels", f"{TASK}={other['qrels']}"): (
            "was measured on 30 queries, 'x' on 31 others"
        ),
    }
    for words, message in wrong.items():
        code, _, told = reproduced(*words)
        assert code == 2, told
        assert told.startswith("error: ")
        assert message in told.splitlines()[0]
        assert len(told.splitlines()) == 2


def test_an_evaluation_of_another_first_stage_is_no_cell(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = evaluated(tmp_path / "evaluation", files)
    path = out / "evaluation.json"
    told = json.loads(path.read_text())
    for name, kind in (("first-stage (colbert)", "first-stage"), ("teacher (x)", "teacher")):
        told["systems"].append({**told["systems"][0], "name": name, "kind": kind})
    path.write_text(json.dumps(told))
    table = (out / "per_query.csv").read_text().splitlines()
    extra = ["first-stage (colbert),teacher (x)", *["0.5,0.5"] * (len(table) - 1)]
    (out / "per_query.csv").write_text(
        "\n".join(f"{a},{b}" for a, b in zip(table, extra, strict=True)) + "\n"
    )
    code, _, said = reproduced("--evaluation", f"{TASK}={out}")
    assert code == 2
    assert "cannot be bm25/dl19: it re-ranks the candidates of colbert, not of bm25" in said
    assert reproduced("--evaluation", f"colbertv2/dl19={out}")[0] == 0
    told["systems"][-1]["beyond_first_stage"] = 7
    path.write_text(json.dumps(told))
    code, _, said = reproduced("--evaluation", f"colbertv2/dl19={out}")
    assert code == 2
    assert "'teacher (x)' for colbertv2/dl19 is from another first stage: 7 of its lists" in said
