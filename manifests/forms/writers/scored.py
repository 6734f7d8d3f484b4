"""Writes one scored document a row: TREC runs, Rank-DistiLLM's Parquet, lightning-ir's runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.writers.base import WriteOptions, Writer, scores_of, texts_of
from rankgen.manifests.score_order import in_32_bits, strictly_decreasing

_TAG = "rankgen"
_FLOAT = pa.float32()


def _run_lines(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> Iterator[str]:
    """Yields lines whose scores decrease strictly in 32 bits, so that every reader has our order.

    trec_eval ignores the rank, compares scores as 32-bit floats and breaks ties by document id: a
    score that is not below the one before it becomes the next number below.
    """
    del options
    given = in_32_bits(scores_of(ranked))
    strict = strictly_decreasing(given)
    if not all(map(math.isfinite, (*given, *strict))):
        raise UsageError(
            f"the list of query {ranked.query_id} has a score that 32 bits cannot hold",
            "add --scores order to write the places in the order instead",
        )
    counts["scores_lowered"] += sum(a != b for a, b in zip(given, strict, strict=True))
    _check_trec_id("query", ranked.query_id)
    for rank, (doc_id, score) in enumerate(zip(ranked.doc_ids, strict, strict=True), start=1):
        _check_trec_id("document", doc_id)
        yield f"{ranked.query_id} Q0 {doc_id} {rank} {score!r} {_TAG}"


def _check_trec_id(role: str, value: str) -> None:
    # Readers split at any white space of Unicode, and drop a byte order mark in front.
    if value.split() != [value] or "\0" in value or value.startswith("\ufeff"):
        raise UsageError(
            f"the {role} id {value!r} holds white space, which a TREC run cannot express",
            "export another form, such as scored-rows or lists",
        )


def _scored(*names: str) -> Writer:
    """Returns the writer of rows of a query id, a document id and a score."""

    def rows(
        ranked: SharedList, options: WriteOptions, counts: Counter[str]
    ) -> Iterator[Mapping[str, object]]:
        del options, counts
        for values in zip(ranked.doc_ids, scores_of(ranked), strict=True):
            yield dict(zip(names, (ranked.query_id, *values), strict=True))

    fields = zip(names, (pa.string(), pa.string(), _FLOAT), strict=True)
    schema = pa.schema(list(fields))
    about = f"one scored document a row: {', '.join(names)}"
    return Writer(about, ("parquet", "jsonl", "json"), lambda _: schema, rows)


def _lightning_rows(
    ranked: SharedList, options: WriteOptions, counts: Counter[str]
) -> Iterator[Mapping[str, object]]:
    del counts
    query, texts = texts_of(ranked) if options.with_text else (None, {})
    for place, doc_id in enumerate(ranked.doc_ids):
        row: dict[str, object] = {"query_id": ranked.query_id, "doc_id": doc_id, "rank": place + 1}
        if options.has_scores:
            row["score"] = scores_of(ranked)[place]
        if options.with_text:
            row |= {"query": query, "text": texts[doc_id]}
        yield row


def _lightning_schema(options: WriteOptions) -> pa.Schema:
    # lightning-ir takes every column whose name holds "rank" or "score" for a target.
    fields = [("query_id", pa.string()), ("doc_id", pa.string()), ("rank", pa.int32())]
    fields += [("score", _FLOAT)] if options.has_scores else []
    fields += [("query", pa.string()), ("text", pa.string())] if options.with_text else []
    return pa.schema(fields)


def _check_lightning_name(name: str) -> None:
    """Checks that lightning-ir finds the data set in the file's name, and the suffix at its dot."""
    stem, _, suffix = name.partition(".")
    if suffix != "parquet" or not stem.rpartition("__")[1] or not stem.rpartition("__")[2]:
        raise UsageError(
            f"lightning-ir cannot read the data set from the file name '{name}'",
            "name it ANYTHING__DATASET.parquet without another dot; DATASET is an id of "
            "ir_datasets with - for /, such as __rankings__msmarco-passage-train-judged.parquet",
        )


TREC_RUN = Writer(
    "a run for trec_eval: query_id Q0 doc_id rank score tag, scores strictly decreasing",
    ("text",),
    lambda _: pa.schema([]),
    lines=_run_lines,
    stand_in="order",
)
SCORED_ROWS = _scored("query_id", "doc_id", "score")
RANK_DISTILLM = _scored("qid", "docno", "score")
BERT_ENSEMBLE_MSE = _scored("query_id", "passage_id", "score")
LIGHTNING_IR = Writer(
    "lightning-ir's RunDataset: query_id, doc_id, rank[, score][, query, text]",
    ("parquet",),
    _lightning_schema,
    _lightning_rows,
    texts="asked",
    scores="optional",
    takes=frozenset({"with_text"}),
    check_name=_check_lightning_name,
)
