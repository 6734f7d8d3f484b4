"""The model card of a student, written from its settings and figures."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.manifests.long_documents.rule import NAMES as CHUNK_NAMES
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.students.training.adapter_settings import ADAPTER_FIELDS
from rankgen.students.training.card_code import card_tags, scoring_code
from rankgen.students.training.public_settings import public_settings
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.summary import TrainSummary

# Rows of the card's recipe table, in order.
SHOWN = (
    "backbone",
    "loss",
    "targets",
    "reduction",
    "depth",
    "sample_size",
    "sample_mode",
    "query_tokens",
    "passage_tokens",
    *CHUNK_NAMES,
    "queries_per_step",
    "max_minutes",
    "learning_rate",
    "head_learning_rate",
    "schedule",
    "warmup_steps",
    "weight_decay",
    "adam_beta2",
    "gradient_clip",
    "dropout",
    "attention_dropout",
    "frozen_layers",
    *sorted(ADAPTER_FIELDS),
    "precision",
    "seed",
)


def student_card(
    settings: TrainSettings,
    summary: TrainSummary,
    relevant: int | None = None,
    asked: str | None = None,
) -> str:
    """Returns the card as Markdown, with the front matter that the Hugging Face Hub reads.

    Args:
        settings: The recipe.
        summary: How the training went.
        relevant: Which of two outputs means relevant; None for a student with one.
        asked: What a language model is that rankgen shows a prompt, as the end of "It is ..."; None
            for a student that other libraries show pairs themselves.
    """
    values = public_settings(settings.model_dump(mode="json", exclude=set(ADAPTER_FIELDS)))
    values |= settings.adapter_recipe()
    listed = "\n".join(f"- {tag}" for tag in card_tags(asked))
    code = scoring_code(settings.out.name, relevant, asked)
    return f"""---
pipeline_tag: text-ranking
library_name: transformers
tags:
{listed}
---

# {settings.out.name}

A cross-encoder that re-ranks passages, distilled with rankgen from the {summary.lists:,} rankings
in `{values["rankings"]}`. {_outputs(relevant, asked)}

{code}

{_usage_of_prompt(settings) if asked else _usage(settings)}

{_long_documents(settings.chunk_rule)}{_adapters(settings)}## Figures

{_figures(summary)}

## Recipe

| setting | value |
|---|---|
{_recipe(values)}

`rankgen.json` holds every setting, the digests of the data and the versions of the software, and
`learned_queries.sha256` a digest of every query that it learned from.
"""


def _outputs(relevant: int | None, asked: str | None) -> str:
    """Returns the sentence on what the model's outputs mean; see `student_card`."""
    if asked is not None:
        return f"It is {asked}; the logits of its answers are its score, higher is better."
    if relevant is not None:
        return (
            f"It returns two logits per (query, passage) pair; its score is that of output "
            f"{relevant} minus the other."
        )
    return "It returns one logit per (query, passage) pair; higher is better."


def _recipe(values: Mapping[str, object]) -> str:
    return "\n".join(
        f"| {name} | {values[name]} |" for name in SHOWN if values.get(name) is not None
    )


def _usage(settings: TrainSettings) -> str:
    longest = settings.query_tokens + settings.passage_tokens
    return f"""In training, queries were cut after {settings.query_tokens} tokens and passages after
{settings.passage_tokens}; `config.json` records this, and `rankgen rerank` and `rankgen evaluate`
do the same. transformers and sentence-transformers instead cut the longer text of a pair until both
together have {longest} tokens. Their scores therefore differ from rankgen's for queries of more
than {settings.query_tokens} tokens and passages of more than {settings.passage_tokens}; cut such
texts yourself if this matters."""


def _usage_of_prompt(settings: TrainSettings) -> str:
    return f"""`config.json` names the prompt and its answers, so that rankgen asks about every pair
as in the training: with the query cut after {settings.query_tokens} tokens and the passage after
{settings.passage_tokens}. transformers loads the model, but does not know the prompt; scores of
pairs that are shown in other words mean nothing."""


def _adapters(settings: TrainSettings) -> str:
    """Returns the paragraph on adapters; nothing for a student whose weights were all trained."""
    if not settings.lora_rank:
        return ""
    return f"""It was trained by LoRA: adapters of rank {settings.lora_rank}, and the head, were
trained, the other weights are the backbone's. The weights here have the adapters merged in;
`adapter/` holds them alone, for `peft.PeftModel.from_pretrained` on the backbone.

"""


def _long_documents(rule: ChunkRule | None) -> str:
    if rule is None:
        return ""
    counts = f"{rule.in_words()} counts"
    return f"""Of a document that is longer than a chunk, {counts}, each with the document's
title before it: so it was trained, and so `rankgen rerank` and `rankgen evaluate` score with it.
The model itself scores one chunk.

"""


def _figures(summary: TrainSummary) -> str:
    lines = [
        f"- {summary.steps:,} steps, {summary.pairs:,} pairs, {summary.seconds / 60:.1f} minutes; "
        f"ended by {summary.ended_by}",
        f"- loss at the end {summary.loss:.4f} (moving average)",
    ]
    if summary.validation is not None:
        stage = summary.first_stage
        known = "" if stage is None else f" (first stage {stage:.4f})"
        lines.append(
            f"- validation nDCG@10 {summary.validation:.4f} at step {summary.best_step:,}{known}"
        )
    return "\n".join(lines)
