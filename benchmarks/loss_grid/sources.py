"""What the students of the grid learn from, and what they are measured on.

- labels: SciFact's training judgements with BM25's others as negatives.
- orders: the orders of LLMs, of DL19's queries and of a hundred training prompts; they have no
  scores, whatever their files say: rank_llm writes the first stage's again, in the new order.
- scores: the top 100 of four retrieval models for DL19's queries and of one for DL22's, with the
  models' own scores, each model's shifted and scaled to mean 0 and deviation 1.
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from real_rankings import Orders, first_stage, joined_candidates, label_lists, llm_rankings, rankgen

from rankgen.manifests.records import Candidates
from rankgen.manifests.trec import read_run, trec_eval_order, write_run

DEPTH = 100
# Collection, its file, and the scores it holds.
SCORED = (
    ("msmarco-dl19", "webis-colbertv2"),
    ("msmarco-dl19", "splade-pp-ed"),
    ("msmarco-dl19", "tasb"),
    ("msmarco-dl19", "openai-ada2"),
    ("msmarco-dl22", "splade-pp-ed"),
)
TEST = "msmarco-dl21"


def prepare(data: Path, state: Path) -> Path:
    """Returns the folder of the sources, made once: `labels`, `orders`, `scores` and `test`."""
    folder = state / "sources"
    if folder.exists():
        return folder
    draft = state / "sources-draft"
    shutil.rmtree(draft, ignore_errors=True)
    for name in ("labels", "orders", "scores"):
        (draft / name).mkdir(parents=True)
    label_lists(data, draft / "labels").rename(draft / "labels" / "rankings")
    llm_rankings(data, draft / "orders").rename(draft / "orders" / "rankings")
    scored_rankings(data, draft / "scores")
    first_stage(data, TEST, draft / "test")
    draft.rename(folder)
    return folder


def scored_rankings(data: Path, scratch: Path) -> Path:
    """Returns a label run of the lists and scores of retrieval models."""
    runs = scratch / "collections"
    sources = []
    for number, (name, model) in enumerate(SCORED):
        collection = runs / f"{number}-{name}"
        (collection / "runs").mkdir(parents=True)
        for file in ("corpus.jsonl", "queries.jsonl"):
            (collection / file).symlink_to(data / name / file)
        run = data / name / "runs" / f"first-stage.{model}.trec"
        write_run(collection / "runs" / "scored.trec", standardised(run), model)
        sources.append(Orders(collection, "scored", "scored"))
    candidates = joined_candidates(sources, scratch, keep_scores=True)
    teacher = f"recorded:{candidates.parent / 'teacher.trec'}"
    rankings = scratch / "rankings"
    rankgen("label", "--candidates", candidates, "--teacher", teacher, "--out", rankings)
    return rankings


def standardised(run: Path) -> list[Candidates]:
    """Returns the top of every list of a run, its scores with mean 0 and deviation 1 over all."""
    lists = {query: trec_eval_order(lines)[:DEPTH] for query, lines in read_run(run).items()}
    every = [line.score for lines in lists.values() for line in lines]
    centre, spread = statistics.fmean(every), statistics.pstdev(every)
    return [
        Candidates(
            query,
            tuple(line.doc_id for line in lines),
            tuple((line.score - centre) / spread for line in lines),
        )
        for query, lines in lists.items()
    ]
