"""Tiny backbones of every kind that gets adapters, and scores by transformers' own classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from public_rerankers import SIZES
from small_rerankers import CAUSAL_KINDS, save_causal, save_t5

from rankgen.manifests.models.families import family_of
from rankgen.manifests.models.pair_ids import answer_ids, pair_ids
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.model.scoring import score_pairs

ENCODERS = ("electra", "bert", "modernbert")
ANSWERING = (*CAUSAL_KINDS, "monot5", "rankt5")
QUERIES = {"q": "which one is good"}
# All longer than the cuts below, or shorter, or nothing.
PASSAGES = {f"d{n}": ("good bat " * (n % 5) + "fen " * n).strip() for n in range(10)}
NAMED = [("q", doc_id) for doc_id in PASSAGES]
QUERY_TOKENS, PASSAGE_TOKENS = 3, 8
CUTS = {"query_tokens": QUERY_TOKENS, "passage_tokens": PASSAGE_TOKENS}
LORA = {"lora_rank": 2, "lora_alpha": 3.0, "lora_dropout": 0.1, "learning_rate": 0.02}


def scored(student: Path) -> NDArray[np.float32]:
    encoder = load_cross_encoder(str(student))
    assert (encoder.query_tokens, encoder.passage_tokens) == tuple(CUTS.values())
    pairs = encoder.pairs(QUERIES, PASSAGES, NAMED)
    return score_pairs(encoder, pairs, choose_hardware("cpu", "fp32", chunk_tokens=90))


def backbone(kind: str, folder: Path, tokenizer_of: str) -> Path:
    """Saves a backbone of a kind, without a head if it is an encoder."""
    folder = folder / kind
    if kind in CAUSAL_KINDS:
        return save_causal(folder, kind)
    if kind in ANSWERING:
        return save_t5(folder)
    import transformers

    torch.manual_seed(5)
    config: Any
    if kind == "modernbert":
        config = transformers.ModernBertConfig(
            **SIZES, local_attention=8, cls_token_id=101, sep_token_id=102
        )
        body: Any = transformers.ModernBertModel(config)
    elif kind == "electra":
        config = transformers.ElectraConfig(**SIZES, embedding_size=16)
        body = transformers.ElectraForPreTraining(config)
    else:
        body = transformers.BertModel(transformers.BertConfig(**SIZES))
    body.save_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_of)
    if kind == "modernbert":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)
    return folder


def loaded(kind: str, folder: Path) -> Any:
    """Returns a model by the class of transformers that its card would name."""
    import transformers

    name = "SequenceClassification"
    if kind in ANSWERING:
        name = "CausalLM" if kind in CAUSAL_KINDS else "Seq2SeqLM"
    options = {"num_labels": 1} if kind in ENCODERS else {}
    of_class = getattr(transformers, f"AutoModelFor{name}")
    return of_class.from_pretrained(folder, dtype=torch.float32, **options).eval()


def scores(kind: str, model: Any, base: Path) -> list[float]:
    """Returns the score of every pair by itself, with the texts cut by their offsets."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    query = _cut(tokenizer, QUERIES["q"], QUERY_TOKENS)
    passages = [_cut(tokenizer, text, PASSAGE_TOKENS) for text in PASSAGES.values()]
    with torch.inference_mode():
        if kind in ANSWERING:
            return list(_answered(kind, model, tokenizer, base, query, passages))
        return [
            float(model(**tokenizer([query], [text], return_tensors="pt")).logits[0, 0])
            for text in passages
        ]


def _answered(
    kind: str, model: Any, tokenizer: Any, base: Path, query: str, passages: list[str]
) -> Iterator[float]:
    prompt = family_of(str(base), None, None if kind in CAUSAL_KINDS else kind).prompt
    assert prompt is not None
    yes, no = answer_ids(tokenizer, prompt, kind)
    for text in passages:
        ids = torch.tensor([pair_ids(tokenizer, prompt, query, text, prompt.max_length)])
        begun: Mapping[str, Any] = {}
        if kind not in CAUSAL_KINDS:
            begun = {"decoder_input_ids": torch.zeros((1, 1), dtype=torch.long)}
        logits = model(input_ids=ids, **begun).logits[0, -1]
        if no is None:
            yield float(logits[yes])
        elif prompt.score == "log odds":
            yield float(logits[yes] - logits[no])
        else:
            yield float(logits[[yes, no]].log_softmax(0)[0])


def _cut(tokenizer: Any, text: str, tokens: int) -> str:
    ends = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if len(ends) <= tokens else text[: ends[tokens - 1][1]]
