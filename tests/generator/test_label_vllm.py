"""The whole label job through a real engine: prompts, vLLM in a Ray actor, parser, windows, shards.

The tiny ranker orders passages by the grade word in front of each, so the true order is known.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from scipy.stats import kendalltau

from rankgen.generator.engines.vllm.dtype import fast_dtype
from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.run.verify import verify_run
from rankgen.manifests.storage.shard import write_shard
from rankgen.retrieval.collections.docstrings import read_docstrings

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_ranker"
QUERIES, DEPTH, WORDS = 6, 30, 30


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, dict[str, int]]:
    """Candidates with a grade word before real text, and doc_id -> place in the true order."""
    run = RunDirectory(tmp_path_factory.mktemp("graded"))
    grades = (FIXTURE / "grades.txt").read_text().split()
    texts = sorted(doc.body for doc in read_docstrings() if len(doc.body.split()) > WORDS)
    truth: dict[str, int] = {}
    documents: list[Document] = []
    found: list[Candidates] = []
    for number in range(QUERIES):
        chance = random.Random(number)
        chosen = chance.sample(range(len(grades)), DEPTH)
        ids = tuple(f"q{number}-{place}" for place in range(DEPTH))
        for doc_id, grade in zip(ids, chosen, strict=True):
            filler = " ".join(chance.choice(texts).split()[:WORDS])
            documents.append(Document(doc_id, "", f"{grades[grade]} {filler}"))
            truth[doc_id] = grade
        found.append(Candidates(f"q{number}", ids, tuple(float(-i) for i in range(DEPTH))))
    queries = [Query(f"q{number}", "the order of the words") for number in range(QUERIES)]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, queries, "f")
    write_documents(run, documents, "f")
    return run, truth


def tau(order: list[str], truth: dict[str, int]) -> float:
    return float(kendalltau(range(len(order)), [truth[doc_id] for doc_id in order]).statistic)


@pytest.mark.timeout(900)
def test_the_final_order_is_as_good_as_the_windows(
    graded: tuple[RunDirectory, dict[str, int]], tmp_path: Path
) -> None:
    source, truth = graded
    out = RunDirectory(tmp_path / "rankings")
    # Of its float16 weights the ranker needs a float32 model; most CPUs come to that by themselves.
    dtype = "auto" if fast_dtype("float16", "cpu") == "float32" else "float32"
    teacher = LabelSettings.model_validate(
        {"teacher": "rankzephyr", "model": str(FIXTURE / "model"), "dtype": dtype, "passes": 2}
    )
    settings = LabelRunSettings(
        candidates=source.root, teacher=teacher, shards=2, out=out.root, max_failed=1
    )
    summary = label(settings)
    plan = read_plan(out)
    assert plan.recipe["dtype"] == "float32"
    assert plan.settings["teacher"]["dtype"] == "float32"  # type: ignore[call-overload, index]  # JSON
    commits = [json.loads(path.read_text()) for path in out.commits.glob("*.json")]
    assert {commit["facts"]["dtype"] for commit in commits} == {"float32"}
    assert summary.queries >= QUERIES - 1
    # 30 candidates: two windows a pass, and after two passes a perfect teacher's order is perfect.
    assert summary.counts["windows"] == 4 * summary.queries
    # 86 for all but the last passage, 90 where these were not clean; the second pass may repeat a
    # window of the first, which is not asked about again.
    tokens = [call["output_tokens"] for call in out.read("windows").to_pylist()]
    assert {86} <= set(tokens) <= {0, 86, 90}
    assert verify_run(out, validate_rankings).problems == ()
    current = {c.query_id: list(c.doc_ids) for c in source.candidates()}
    window_taus = []
    for call in out.read("windows").to_pylist():
        if call["query_id"] in summary.quarantined:
            continue
        span = current[call["query_id"]][call["start"] : call["end"]]
        ordered = [span[place] for place in call["permutation"]]
        current[call["query_id"]][call["start"] : call["end"]] = ordered
        window_taus.append(tau(ordered, truth))
    rankings = {row["query_id"]: row["doc_ids"] for row in out.read("rankings").to_pylist()}
    assert all(current[query_id] == order for query_id, order in rankings.items())
    final = [tau(order, truth) for order in rankings.values()]
    in_windows = sum(window_taus) / len(window_taus)
    assert in_windows > 0.8, "the model itself must rank, or the comparison means nothing"
    assert sum(final) / len(final) > in_windows - 0.05
    facts = summary.counts
    assert facts["windows_ok"] > 0.8 * facts["windows"]
