"""The recipes of the paper on a handful of made-up lists: everything but the sizes is theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from labelled_in_process import label_in_process, write_candidates
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.generator.commands.registry import STEPS
from rankgen.manifests.recipes.recipe import Recipe, load_recipe

TINY = {
    "max_steps": 2,
    # Two steps are to change the order that a student gives.
    "learning_rate": 0.02,
    "queries_per_step": 2,
    "query_tokens": 8,
    "passage_tokens": 16,
    "validate_every": 1,
}
SAMPLES = {"bootstrap_samples": 100, "randomisation_samples": 100}
RETRIEVERS = {"bm25": (6, "bm25"), "colbert": (5, "colbert")}


def made_up_sources(root: Path) -> dict[str, Path]:
    """Writes what the recipes retrieve, label and import: step -> folder."""
    sources: dict[str, Path] = {}
    for name, queries in (("dl19", 5), ("dl20", 4), ("dl21", 3), ("dl22", 2)):
        for stage, (depth, retriever) in RETRIEVERS.items():
            if name in ("dl21", "dl22") and stage == "colbert":
                continue
            step = f"{name}-candidates" if name > "dl20" else f"{name}-{stage}-candidates"
            run = write_candidates(root / step, queries, depth)
            run.plan.parent.mkdir(parents=True, exist_ok=True)
            run.plan.write_text(json.dumps({"recipe": {"retriever.name": retriever}}))
            judged = "".join(
                f"q{n:02d}\t0\td{7 * n + n % 3}\t{1 + n % 2}\n" for n in range(queries)
            )
            (run.root / "qrels.tsv").write_text(judged)
            sources[step] = run.root
            if name in ("dl19", "dl20"):
                ranked = label_in_process(run, root / f"{name}-{stage}-rankings", shards=1)
                sources[f"{name}-{stage}-rankings"] = ranked.root
    sets = ["label-lists", "rankgpt-rankings", "twolar-rankings"]
    sets += ["train-bm25-rankings", "train-rankings"]
    for number, name in enumerate(sets):
        run = write_candidates(root / f"{name}-source", 5 + number, 8)
        sources[name] = label_in_process(run, root / name, shards=1).root
        sources[re.sub("-(lists|rankings)$", "-candidates", name)] = run.root
    return sources


def recipe_of(name: str) -> Recipe:
    """Returns a shipped recipe."""
    return load_recipe(name, STEPS)


def overrides_of(name: str, backbone: str) -> list[str]:
    """Returns `--set` and its value for every setting that makes the recipe small."""
    wanted: list[tuple[str, str, object]] = []
    for step in recipe_of(name).steps:
        if step.command in ("train-student", "ablate"):
            own: dict[str, object] = {"device": "cpu", **TINY}
            if not str(step.options["backbone"]).startswith("@"):
                own["backbone"] = backbone
            if step.command == "ablate":
                own |= {"depths": [3, 8], "queries": [3, 8]}
            wanted += [(step.name, key, value) for key, value in own.items()]
        if step.command == "evaluate":
            wanted += [(step.name, k, v) for k, v in {"device": "cpu", **SAMPLES}.items()]
        if step.command == "reproduce" and "rows" in step.options:
            rows = json.dumps(step.options["rows"]).replace("(rankzephyr)", "(scripted)")
            wanted.append((step.name, "rows", json.loads(rows)))
        if step.command == "reproduce" and step.options["table"] == "figure1":
            wanted.append((step.name, "reference", "8 queries depth 8"))
    texts = (f"{step}.{key}={json.dumps(value)}" for step, key, value in wanted)
    return [word for text in texts for word in ("--set", text)]


def run_small(name: str, out: Path, sources: dict[str, Path], backbone: str, *more: str) -> Result:
    """Runs a shipped recipe with small trainings; what it retrieves and labels is reused."""
    steps = {step.name for step in recipe_of(name).steps}
    reused = [f"{step}={folder}" for step, folder in sources.items() if step in steps]
    words: Sequence[str] = ["run", name, "--out", str(out), *overrides_of(name, backbone), *more]
    words = [*words, *(word for text in reused for word in ("--reuse", text))]
    return CliRunner().invoke(app, list(words))
