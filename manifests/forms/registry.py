"""Every public form: the shapes, and the named forms that are presets of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.forms.shape import Preset, Shape, ShapeName

AUTO = "auto"
# Shape -> the module in `shapes` whose `SHAPE` reads it; detection asks them in this order.
SHAPES: Mapping[ShapeName, str] = {
    "trec-run": "trec_run",
    "prompts": "prompts",
    "pos-neg": "pos_neg",
    "lists": "list_rows",
    "scored-rows": "scored_rows",
}
# A shape's own name is a form too: one that leaves the columns to the shape.
FORMS: Mapping[str, Preset] = {
    "trec-run": Preset("trec-run", "six columns: query_id Q0 doc_id rank score tag"),
    "scored-rows": Preset("scored-rows", "one scored document a row: query_id, doc_id, score"),
    "lists": Preset("lists", "one list a row: query_id, doc_ids, and labels or scores"),
    "pos-neg": Preset("pos-neg", "a query with positive and negative passages a row", "logit"),
    "prompts": Preset("prompts", "a listwise prompt and the order that answers it"),
    "fullrank": Preset("lists", "qid, initial_list, final_list"),
    "reasonrank": Preset("lists", "qid, initial_list, final_list, reasoning"),
    "rank-llm": Preset("lists", "requests or results of rank_llm: query, candidates"),
    "lightonai": Preset("lists", "scores, queries and documents of the reranked sets", "logit"),
    "sentence-transformers": Preset(
        "lists", "query_id, doc_ids[, labels] of its MS MARCO", "label"
    ),
    "labeled-list": Preset("lists", "query, docs, labels: texts without ids", "label"),
    "rank-distillm": Preset("scored-rows", "qid, docno, score of Rank-DistiLLM 2025"),
    "rank-distillm-2024": Preset("trec-run", "the runs of Rank-DistiLLM 2024"),
    "bert-ensemble-mse": Preset("scored-rows", "query_id, passage_id, score", "logit"),
    "lightning-ir": Preset("scored-rows", "query_id, doc_id, rank, score[, query, text]"),
    "pairs": Preset("scored-rows", "query, passage, label: texts without ids", "logit"),
    "ettin": Preset("scored-rows", "query, document, label: texts without ids", "logit"),
    "tevatron": Preset("pos-neg", "positive_passages, negative_passages", "logit"),
    "rlhn": Preset("pos-neg", "Tevatron's columns as RLHN has them", "logit"),
    "bge": Preset("pos-neg", "query, pos, neg[, pos_scores, neg_scores]", "logit"),
    "rank-llm-training": Preset("prompts", "conversations or messages of RankZephyr's training"),
    "rankgpt": Preset("prompts", "retrieved_passages, and answers in a file beside them"),
    "twolar": Preset("prompts", "TWOLAR's rows, in the teacher's order", is_ordered=True),
}


def preset_of(form: str) -> Preset:
    """Returns the preset of a form.

    Raises:
        UsageError: There is no such form.
    """
    if form not in FORMS:
        raise UsageError(f"there is no form '{form}'", did_you_mean(form, [AUTO, *FORMS]))
    return FORMS[form]


def shape_of(name: ShapeName) -> Shape:
    """Imports a shape."""
    module = importlib.import_module(f"rankgen.manifests.forms.shapes.{SHAPES[name]}")
    return cast(Shape, module.SHAPE)
