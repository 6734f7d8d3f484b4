"""Every form that can be written; a form of the same name in `registry` reads it back."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.forms.registry import FORMS
from rankgen.manifests.forms.writer import Writer

# Form -> the module beside this one and the name of its `Writer` there.
WRITERS: Mapping[str, str] = {
    "trec-run": "run_writer:TREC_RUN",
    "scored-rows": "run_writer:SCORED_ROWS",
    "rank-distillm": "run_writer:RANK_DISTILLM",
    "bert-ensemble-mse": "run_writer:BERT_ENSEMBLE_MSE",
    "lightning-ir": "run_writer:LIGHTNING_IR",
    "lists": "list_writer:LISTS",
    "sentence-transformers": "list_writer:SENTENCE_TRANSFORMERS",
    "labeled-list": "list_writer:LABELED_LIST",
    "lightonai": "list_writer:LIGHTONAI",
    "fullrank": "list_writer:FULLRANK",
    "rank-llm": "list_writer:RANK_LLM",
    "pairs": "pairs_writer:PAIRS",
    "ettin": "pairs_writer:ETTIN",
    "triples": "pairs_writer:TRIPLES",
    "tevatron": "pos_neg_writer:TEVATRON",
    "rlhn": "pos_neg_writer:TEVATRON",
    "bge": "pos_neg_writer:BGE",
    "rank-llm-training": "prompts_writer:TRAINING",
    "twolar": "prompts_writer:TWOLAR",
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
