"""A yes/no re-ranker labelled by vLLM in a Ray actor: the scores of transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_candidates import write_run
from small_rerankers import QUERY, TEXTS, save_causal

import rankgen
from rankgen.manifests.models.families import family_of
from rankgen.manifests.models.pair_model import PairModel
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.teacher_scores import FACT

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")


@pytest.mark.timeout(900)
def test_scores_are_those_of_transformers(tmp_path: Path) -> None:
    folder = str(save_causal(tmp_path / "qwen3-reranker", "qwen3-reranker"))
    texts = {f"d{n}": text for n, text in enumerate(TEXTS)}
    found = [Candidates("q", tuple(texts), tuple(float(-n) for n in range(len(texts))))]
    write_run(RunDirectory(tmp_path / "candidates"), found, [Query("q", QUERY)], texts)
    run = rankgen.label(
        candidates=tmp_path / "candidates",
        out=tmp_path / "run",
        teacher="pointwise",
        model=folder,
        engine="vllm",
        dtype="float32",
        context_size=700,
        instruction="find gardens",
        cpu_kv_cache_gib=1,
        engine_args={"max_num_seqs": 8},
    )
    family = family_of(folder)
    assert family.prompt is not None
    asked = type(family)(
        family.kind, family.architecture, family.prompt.with_instruction("find gardens")
    )
    ours = PairModel(folder, asked, max_length=700)
    ids = [ours.pairs.ids(QUERY, text) for text in TEXTS]
    expected = dict(zip(texts, ours.scores(ids), strict=True))
    rows = run.table().to_pylist()
    assert {row["doc_id"]: row["score"] for row in rows} == pytest.approx(expected, abs=1e-5)
    assert [row["doc_id"] for row in rows] == sorted(texts, key=lambda one: -expected[one])
    predicate = json.loads((tmp_path / "run" / "manifest.json").read_text())["predicate"]
    assert predicate[FACT]["unit"] == "logit"
    assert predicate["recipe"]["instruction"] == "find gardens"
    (call,) = RunDirectory(tmp_path / "run").read("windows").to_pylist()
    assert call["prompt_tokens"] == sum(map(len, ids))
    assert call["output_tokens"] == len(TEXTS)
