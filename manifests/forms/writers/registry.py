"""Every form that can be written; a form of the same name in `registry` reads it back."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.forms.registry import FORMS
from rankgen.manifests.forms.writers.base import Writer

# Form -> the module beside this one and the name of its `Writer` there.
WRITERS: Mapping[str, str] = {
    "trec-run": "scored:TREC_RUN",
    "scored-rows": "scored:SCORED_ROWS",
    "rank-distillm": "scored:RANK_DISTILLM",
    "bert-ensemble-mse": "scored:BERT_ENSEMBLE_MSE",
    "lightning-ir": "scored:LIGHTNING_IR",
    "lists": "lists:LISTS",
    "sentence-transformers": "lists:SENTENCE_TRANSFORMERS",
    "labeled-list": "lists:LABELED_LIST",
    "lightonai": "lists:LIGHTONAI",
    "fullrank": "lists:FULLRANK",
    "rank-llm": "lists:RANK_LLM",
    "pairs": "pairs:PAIRS",
    "ettin": "pairs:ETTIN",
    "triples": "pairs:TRIPLES",
    "tevatron": "pos_neg:TEVATRON",
    "rlhn": "pos_neg:TEVATRON",
    "bge": "pos_neg:BGE",
    "rank-llm-training": "prompts:TRAINING",
    "twolar": "prompts:TWOLAR",
}


def writer_of(form: str) -> Writer:
    """Imports the writer of a form.

    Raises:
        UsageError: There is no such form, or it can only be read.
    """
    if form in FORMS and form not in WRITERS:
        raise UsageError(f"the form '{form}' can be imported only", did_you_mean(form, WRITERS))
    if form not in WRITERS:
        raise UsageError(f"there is no form '{form}'", did_you_mean(form, WRITERS))
    module, _, name = WRITERS[form].partition(":")
    return cast(Writer, getattr(importlib.import_module(f"{__package__}.{module}"), name))
