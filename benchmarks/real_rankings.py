"""What the students of two benchmarks learn from and are measured on, made by rankgen's commands.

Learned from: SciFact's training labels with BM25's negatives; DL19's queries as RankVicuna,
RankMistral and GPT-3.5 ordered them; a listwise teacher's orders of a hundred training prompts.
Measured on: DL21's BM25 top 100.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.records import Candidates
from rankgen.manifests.trec import read_run, trec_eval_order, write_run

RANKGEN = str(Path(sys.executable).with_name("rankgen"))
# First stage and teacher's run of each set of orders.
DL19_ORDERS = (
    ("bm25", "rankvicuna-7b.on-bm25.top100.20230912T183614"),
    ("bm25-rm3", "rankvicuna-7b.on-bm25-rm3.top100.20230913T163637"),
    ("tasb", "rankvicuna-7b.on-tasb.top100.20230913T163605"),
    ("openai-ada2", "rankvicuna-7b.on-openai-ada2.top100.20230913T163620"),
    ("splade-pp-ed", "rankvicuna-7b.on-splade-pp-ed.top100.20230913T163620"),
    ("bm25", "rankmistral100.on-bm25.top100.fullrank"),
    ("bm25", "gpt-3.5-turbo.on-bm25.top100.20230804T232651"),
)


class Orders(NamedTuple):
    """A collection, its first stage's run, and its teacher's, "" where there is none."""

    collection: Path
    first_stage: str
    teacher: str = ""


def rankgen(*arguments: str | Path) -> str:
    """Runs one command of rankgen and returns what it printed."""
    command = [RANKGEN, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def first_stage(data: Path, name: str, out: Path) -> Path:
    """Returns the recorded BM25 top 100 of a collection, as far as its texts are there."""
    run = data / name / "runs" / "first-stage.bm25.trec"
    options = ("--retriever", f"recorded:{run}", "--missing", "drop", "--depth", "100")
    rankgen("retrieve", "--collection", data / name, *options, "--out", out)
    return out


def joined_candidates(
    sources: Sequence[Orders], scratch: Path, *, keep_scores: bool = False
) -> Path:
    """Returns a retrieve run of several runs' lists; a query occurs once for each of them.

    Beside it `teacher.trec` holds the orders of the sources that name a teacher, with their scores
    if these are kept.
    """
    folder = scratch / "joined"
    folder.mkdir()
    queries: list[str] = []
    runs: dict[str, list[Candidates]] = {"first.trec": [], "teacher.trec": []}
    for number, (source, *names) in enumerate(sources):
        texts = _query_texts(source)
        for file, name in zip(runs, names, strict=True):
            lists = read_run(source / "runs" / f"{name}.trec") if name else {}
            for query_id, lines in lists.items():
                ordered = trec_eval_order(lines)
                doc_ids = tuple(line.doc_id for line in ordered)
                scores = tuple(float(len(doc_ids) - place) for place in range(len(doc_ids)))
                if keep_scores:
                    scores = tuple(line.score for line in ordered)
                runs[file].append(Candidates(f"{query_id}-{number}", doc_ids, scores))
            if file == "first.trec":
                named = [{"_id": f"{q}-{number}", "text": texts[q]} for q in lists]
                queries += [json.dumps(query) + "\n" for query in named]
    corpora = [
        corpus.read_text("utf-8")
        for corpus in dict.fromkeys((one.collection / "corpus.jsonl").resolve() for one in sources)
    ]
    (folder / "corpus.jsonl").write_text("".join(corpora), "utf-8")
    (folder / "queries.jsonl").write_text("".join(queries), "utf-8")
    for file, rows in runs.items():
        write_run(folder / file, rows, "orders")
    options = ("--retriever", f"recorded:{folder / 'first.trec'}", "--missing", "drop")
    rankgen("retrieve", "--collection", folder, *options, "--out", folder / "candidates")
    return folder / "candidates"


def llm_rankings(data: Path, scratch: Path) -> Path:
    """Returns a label run of the recorded orders of LLMs."""
    dl19, prompts = data / "msmarco-dl19", data / "msmarco-train-listwise100"
    sources = [
        Orders(dl19, f"first-stage.{first}", f"teacher.{teacher}") for first, teacher in DL19_ORDERS
    ]
    sources.append(Orders(prompts, "first-stage.prompt-order", "teacher.rank_llm-training"))
    candidates = joined_candidates(sources, scratch)
    teacher = f"recorded:{candidates.parent / 'teacher.trec'}"
    rankings = scratch / "llm-rankings"
    rankgen("label", "--candidates", candidates, "--teacher", teacher, "--out", rankings)
    return rankings


def label_lists(data: Path, scratch: Path) -> Path:
    """Returns lists of one relevant passage of SciFact and up to 15 of BM25's others."""
    scifact, candidates, out = data / "scifact", scratch / "scifact-bm25", scratch / "labels"
    options = ("--split", "train", "--depth", "200")
    rankgen("retrieve", "--collection", scifact, *options, "--out", candidates)
    options = ("--qrels", str(scifact / "qrels" / "train.tsv"), "--count", "15")
    more = ("--collection", str(scifact), "--out", str(out))
    rankgen("negatives", "--candidates", candidates, *options, *more)
    return out


def ndcg_of_students(
    data: Path, students: Sequence[Path], scratch: Path, teacher: Sequence[str] = ()
) -> dict[str, float]:
    """Returns nDCG@10 on DL21 of each student by its folder's name, of BM25, and of a teacher.

    Args:
        data: The collections.
        students: Folders of students.
        scratch: What is made once stays there.
        teacher: Options of `rankgen label`, where a teacher is measured too.
    """
    candidates, rankings = scratch / "dl21", scratch / "dl21-rankings"
    if not candidates.exists():
        first_stage(data, "msmarco-dl21", candidates)
    options: list[str | Path] = ["--compare", "first", "--json"]
    if teacher:
        rankgen("label", "--candidates", candidates, *teacher, "--out", rankings)
        options += ["--rankings", rankings]
    for student in students:
        options += ["--student", student]
    qrels = data / "msmarco-dl21" / "qrels" / "full.trec"
    out = scratch / f"evaluation-{students[0].name}"
    found = rankgen(
        "evaluate", "--qrels", qrels, "--candidates", candidates, *options, "--out", out
    )
    names = {"first-stage": "BM25", "teacher": "teacher"}
    return {
        names.get(system["kind"], Path(system["source"]).name): system["measures"]["nDCG@10"]
        for system in json.loads(found)["systems"]
    }


def _query_texts(source: Path) -> dict[str, str]:
    lines = (source / "queries.jsonl").read_text("utf-8").split("\n")
    return {row["_id"]: row["text"] for row in map(json.loads, filter(None, lines))}
