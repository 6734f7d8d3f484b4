"""Two evaluations that share their first system; another is called alike in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings

QUERIES = [f"q{number}" for number in range(8)]


def write_run(path: Path, places: Mapping[str, int]) -> Path:
    """A run with the one relevant document of each query at a place from 1."""
    lines = []
    for query, place in places.items():
        docs = [f"{query}-other{n}" for n in range(9)]
        docs.insert(place - 1, f"{query}-good")
        lines += [f"{query} Q0 {d} {n} {20 - n} made" for n, d in enumerate(docs, start=1)]
    path.write_text("\n".join(lines) + "\n")
    return path


def two_evaluations(root: Path) -> list[Path]:
    """Writes judgements, runs and evaluations; the systems are `base` and `student`."""
    qrels = root / "judged.qrels"
    qrels.write_text("".join(f"{query} 0 {query}-good 1\n" for query in QUERIES))
    base = write_run(root / "base.run", dict.fromkeys(QUERIES, 5))
    outs = []
    for number, places in enumerate(([1, 2, 1, 3, 1, 2, 1, 5], [9, 1, 1, 1, 2, 1, 3, 1])):
        folder = root / f"seed{number}"
        folder.mkdir()
        own = write_run(folder / "student.run", dict(zip(QUERIES, places, strict=True)))
        outs.append(evaluated(qrels, [base, own], root / f"evaluation{number}"))
    return outs


def evaluated(qrels: Path, runs: Sequence[Path], out: Path) -> Path:
    """Evaluates runs by two measures."""
    evaluate(
        EvaluationSettings(qrels=qrels, runs=tuple(runs), out=out, measures=("nDCG@10", "RR@10"))
    )
    return out
