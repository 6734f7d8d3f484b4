"""Small copies of the paper's recipes run from the first search to the last table, even killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from processes import kill, wait_until
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.recipes import shipped_recipes

Options = dict[str, Any]
TINY = {"queries_per_step": 2, "passage_tokens": 16, "query_tokens": 8, "validate_every": 1}


def shared_sets(folder: Path) -> dict[str, str]:
    """Writes sets as RankGPT and TWOLAR share theirs: form -> source."""
    passages = [{"docid": f"d{n}", "text": f"passage {n} of the library"} for n in range(4)]
    rows = [{"query": f"question {n}", "retrieved_passages": passages[n % 2 :]} for n in range(6)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rankgpt").mkdir()
    (folder / "rankgpt" / "train.jsonl").write_text(lines)
    answers = ["[2] > [1] > [3] > [4]" if n % 2 == 0 else "[3] > [1] > [2]" for n in range(6)]
    (folder / "rankgpt" / "train-gpt3.5.json").write_text(json.dumps(answers))
    (folder / "twolar.jsonl").write_text(lines)
    return {"rankgpt": str(folder / "rankgpt"), "twolar": str(folder / "twolar.jsonl")}


def small(step: Options, backbone: str, shared: dict[str, str]) -> list[Options]:
    """Returns a step with the same references and much less to do."""
    name, command = step["name"], step["command"]
    kept = {key: value for key, value in step.items() if key != "checkpoint"}
    match command:
        case "retrieve":
            return _small_retrieve(kept, step["retriever"])
        case "import":
            kept["source"] = shared[step["form"]]
        case "negatives":
            kept |= {"collection": "@collection", "depth": 8, "count": 3}
        case "label":
            kept |= {"teacher": "minilm", "window": 5, "stride": 2}
        case "subsample":
            kept |= {"depth": {10: 2, 25: 3, 50: 5}[step["depth"]]}
        case "train-student" | "ablate":
            at = step["backbone"] if step["backbone"].startswith("@") else backbone
            kept |= {"backbone": at, "device": "cpu", "max_steps": 2, **TINY}
        case "evaluate":
            kept |= {"device": "cpu"}
        case "reproduce":
            kept.pop("reference")
            rows = kept.get("rows", [])
            kept["rows"] = [row.replace("(rankzephyr)", "(minilm)") for row in rows]
    if command == "ablate":
        kept |= {"depths": [3, 8], "queries": [3, 8], "evaluation_depth": 4}
    assert kept["name"] == name
    return [kept]


def _small_retrieve(step: Options, retriever: str) -> list[Options]:
    """ColBERT's place is taken by two settings of BM25 together, which are not BM25's lists."""
    name = step["name"]
    is_training = name.startswith(("label", "train"))
    is_validation = name.startswith(("dl21", "dl22"))
    split = "train" if is_training else "validation" if is_validation else "test"
    step = {**step, "collection": "@collection", "split": split, "depth": 8, "retriever": "bm25"}
    step |= {"sample": 8 if is_training else 4, "seed": 20 if "dl20" in name else 0}
    if retriever == "bm25":
        return [step]
    if is_training:
        return [{**step, "k1": 2.0}]
    parts = [{**step, "name": f"{name}-{n}", "k1": k1} for n, k1 in enumerate((2.0, 0.1))]
    return [*parts, {**step, "retriever": f"fuse:@{name}-0,@{name}-1"}]


def as_toml(recipe: Options) -> str:
    """Returns a recipe as TOML; JSON writes its strings, numbers and lists as TOML does."""
    plain = {key: value for key, value in recipe.items() if key not in ("step", "sizes")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for step in recipe["step"]:
        lines += ["[[step]]", *(f"{key} = {json.dumps(value)}" for key, value in step.items())]
    return "\n".join(lines) + "\n"


def small_copy(name: str, backbone: str, folder: Path) -> str:
    """Writes the small copy of a shipped recipe."""
    recipe = tomllib.loads(shipped_recipes()[name].read_text(encoding="utf-8"))
    shared = shared_sets(folder)
    collection = {"name": "collection", "command": "python-docs", "passages": 300}
    steps = [made for step in recipe["step"] for made in small(step, backbone, shared)]
    recipe["step"] = [collection, *steps]
    (folder / "small.toml").write_text(as_toml(recipe), encoding="utf-8")
    return str(folder / "small.toml")


def run_copy(copy: str, out: Path) -> None:
    done = CliRunner().invoke(app, ["run", copy, "--out", str(out)])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_small_copy_of_the_whole_runs_to_its_end(tiny_backbone: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_copy(small_copy("rank-distillm-10k", tiny_backbone, tmp_path), out)
    told = json.loads((out / "dl19-bm25-evaluation" / "evaluation.json").read_text())
    assert [system["kind"] for system in told["systems"]].count("student") == 5
    figures = json.loads((out / "ablation" / "ablation.json").read_text())["figures"]
    assert len(figures) == 2 * 2 * 2 * 2
    record = json.loads((out / "student-two-stage" / "rankgen.json").read_text())
    assert record["facts"]["backbone"].startswith("sha256:")
    for name in ("label-lists", "train-rankings", "train-bm25-rankings-depth25"):
        checked = CliRunner().invoke(app, ["verify", "--full", str(out / name)])
        assert checked.exit_code == 0, checked.output


@pytest.mark.slow
def test_a_killed_copy_of_table_1_resumes_to_the_same_table(
    tiny_backbone: str, tmp_path: Path
) -> None:
    copy = small_copy("paper-table1", tiny_backbone, tmp_path)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", "from rankgen.generator.cli import main; main()"]
    with subprocess.Popen(
        [*command, "run", copy, "--out", str(killed)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        begun = killed / "student-twolar-single" / ".rankgen"
        wait_until(lambda: begun.exists() or process.poll() is not None, "no student is trained")
        assert process.poll() is None
        kill(process.pid)
    assert not (killed / "table1").exists()
    run_copy(copy, killed)
    run_copy(copy, whole)
    tables = [(out / "table1" / "reproduction.json").read_text() for out in (killed, whole)]
    assert tables[0].replace(str(killed), str(whole)) == tables[1]
    told = json.loads(tables[1])
    full = [row for row in told["ours"] if None not in told["ours"][row]]
    assert len(full) == 2 + 1 + 10
    assert "its candidates are those of fuse, not colbert's" in tables[1]


@pytest.mark.slow
def test_a_small_copy_of_figure_1_draws_it(tiny_backbone: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_copy(small_copy("paper-figure1", tiny_backbone, tmp_path), out)
    told = json.loads((out / "figure1" / "reproduction.json").read_text())
    assert all(None not in row for row in told["ours"].values())
    assert len(told["ours"]) == 3
    assert (out / "figure1" / "figure1.svg").read_text().startswith("<svg")
