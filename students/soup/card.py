"""The model card of a soup."""

from __future__ import annotations

from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.soup.summary import SoupSummary
from rankgen.students.training.card_code import card_tags, scoring_code
from rankgen.students.training.student_folder import asked_by


def soup_card(encoder: CrossEncoder, summary: SoupSummary) -> str:
    """Returns the card as Markdown, with the front matter that the Hugging Face Hub reads."""
    rows = "\n".join(
        f"| {one.name} | {_figure(one.validation)} | {'yes' if one.is_kept else 'no'} | "
        f"`{one.identity}` |"
        for one in summary.ingredients
    )
    kept = sum(one.is_kept for one in summary.ingredients)
    asked = asked_by(encoder)
    tags = "\n".join(f"- {tag}" for tag in card_tags(asked))
    return f"""---
pipeline_tag: text-ranking
library_name: transformers
tags:
{tags}
---

# {summary.out.name}

A cross-encoder that re-ranks passages: the {summary.method} mean of the weights of {kept} students
of one backbone, made with rankgen. It loads and costs as much as one of them.{_reached(summary)}

{scoring_code(summary.out.name, encoder.relevant, asked)}

Queries are cut after {encoder.query_tokens} tokens and passages after {encoder.passage_tokens} by
`rankgen rerank` and `rankgen evaluate`; `config.json` records this.

| student | its validation nDCG@10 | in the mean | digest |
|---|---|---|---|
{rows}

`rankgen.json` holds the settings that their trainings share, and the digests.
"""


def _reached(summary: SoupSummary) -> str:
    """Returns the paragraph on the soup's validation; nothing where there was none."""
    if summary.validation is None:
        return ""
    end = "; its students were chosen by it." if summary.method == "greedy" else "."
    return (
        f"\n\nIts validation nDCG@10 is {summary.validation:.4f} (first stage "
        f"{_figure(summary.first_stage)}){end}"
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
