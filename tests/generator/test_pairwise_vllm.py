"""A causal model compares passages by vLLM in a Ray actor: the letters that transformers gives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made_up_candidates import write_run

import rankgen
from rankgen.generator.answers.pair_answer import Letter
from rankgen.generator.answers.pair_verdicts import ordered_pairs, verdicts
from rankgen.generator.prompts.pairwise import PRP
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.run_directory import RunDirectory

if TYPE_CHECKING:
    import torch

pytest.importorskip("vllm")

pytestmark = [pytest.mark.usefixtures("unbound_vllm"), pytest.mark.slow]

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_ranker" / "model"
QUERY = Query("q", "which colour {x} [1]")
WORDS = ("red", "green", "blue", "", "salt", "the moon over water")
DOCUMENTS = [Document(f"d{n}", "", f"{word} number {n}") for n, word in enumerate(WORDS)]
PAIRS = ordered_pairs(len(DOCUMENTS))


def states(model: Any, tokenizer: Any) -> torch.Tensor:  # transformers' own classes
    """Returns the last hidden state of the prompt about each pair, of shape [pairs, hidden]."""
    import torch

    found = []
    for pair in PAIRS:
        messages = PRP.render(QUERY, [DOCUMENTS[place] for place in pair])
        turns = [{"role": one.role, "content": one.content} for one in messages]
        text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        with torch.inference_mode():
            ids = tokenizer(text, return_tensors="pt").input_ids
            found.append(model.model(ids).last_hidden_state[0, -1])
    return torch.stack(found)


def save_judge(folder: Path) -> dict[tuple[int, int], Letter]:
    """Saves a model that answers A or B, each to some of the prompts; returns its letters."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    shutil.copytree(FIXTURE, folder)
    model = AutoModelForCausalLM.from_pretrained(FIXTURE, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(FIXTURE)
    seen = states(model, tokenizer)
    mean = seen.mean(dim=0)
    direction = torch.linalg.svd(seen - mean)[2][0]
    # What is common to all prompts says nothing.
    direction -= mean * (direction @ mean) / (mean @ mean)
    first, second = (tokenizer(x, add_special_tokens=False).input_ids[-1] for x in "AB")
    head = torch.zeros(model.config.vocab_size, model.config.hidden_size)
    head[first], head[second] = direction, -direction
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(head)
    model.save_pretrained(folder)
    liked = (seen @ direction > 0).tolist()
    return {pair: "A" if one else "B" for pair, one in zip(PAIRS, liked, strict=True)}


@pytest.mark.timeout(900)
def test_verdicts_are_those_of_transformers(tmp_path: Path) -> None:
    letters = save_judge(tmp_path / "judge")
    assert set(letters.values()) == {"A", "B"}
    ids = tuple(one.doc_id for one in DOCUMENTS)
    found = [Candidates("q", ids, tuple(float(-n) for n in range(len(ids))))]
    texts = {one.doc_id: one.text for one in DOCUMENTS}
    write_run(RunDirectory(tmp_path / "candidates"), found, [QUERY], texts)
    run = rankgen.label(
        candidates=tmp_path / "candidates",
        out=tmp_path / "run",
        teacher="pairwise",
        model=str(tmp_path / "judge"),
        dtype="float32",
        max_output_tokens=1,
        cpu_kv_cache_gib=1,
    )
    expected = verdicts(len(ids), letters)
    (call,) = RunDirectory(tmp_path / "run").read("windows").to_pylist()
    assert call["output_text"] == expected.evidence
    assert call["output_tokens"] == len(PAIRS)
    rows = {row["doc_id"]: row["score"] for row in run.table().to_pylist()}
    assert rows == dict(zip(ids, expected.wins, strict=True))
    assert [ids.index(one) for one in rows] == list(expected.order)
