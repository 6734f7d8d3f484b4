"""Writes one list a row: ids, ids with scores, texts with labels, requests of rank_llm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Kind
from rankgen.manifests.forms.writers.base import WriteOptions, Writer, scores_of, texts_of

_TEXT, _TEXTS, _NUMBERS = pa.string(), pa.list_(pa.string()), pa.list_(pa.float32())
_ANY: tuple[Kind, ...] = ("parquet", "jsonl", "json")
Rows = Iterator[Mapping[str, object]]


def _lists(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> Rows:
    del counts
    row: dict[str, object] = {"query_id": ranked.query_id, "doc_ids": list(ranked.doc_ids)}
    yield row | ({"scores": list(scores_of(ranked))} if options.has_scores else {})


def _lists_schema(options: WriteOptions) -> pa.Schema:
    fields = [("query_id", _TEXT), ("doc_ids", _TEXTS)]
    return pa.schema([*fields, ("scores", _NUMBERS)] if options.has_scores else fields)


def _ids(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> Rows:
    del options, counts
    yield {"query_id": ranked.query_id, "doc_ids": list(ranked.doc_ids)}


def _labeled(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> Rows:
    del options, counts
    query, texts = texts_of(ranked)
    docs = [texts[doc_id] for doc_id in ranked.doc_ids]
    yield {"query": query, "docs": docs, "labels": list(scores_of(ranked))}


def _lightonai(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> Rows:
    del counts
    yield {
        "query_id": ranked.query_id,
        "document_ids": list(ranked.doc_ids),
        "scores": list(scores_of(ranked)),
        "positive_ids": list(ranked.doc_ids[: options.positives or 0]),
    }


def _fullrank(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> Rows:
    del options, counts
    yield {
        "qid": ranked.query_id,
        "initial_list": list(first_stage_of(ranked)),
        "final_list": list(ranked.doc_ids),
    }


def _requests(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> Rows:
    del options, counts
    query, _ = texts_of(ranked)
    documents = {document.doc_id: document for document in ranked.documents}
    candidates = []
    for doc_id, score in zip(ranked.doc_ids, scores_of(ranked), strict=True):
        _, title, text = documents[doc_id]
        doc = {"title": title, "text": text} if title else {"text": text}
        candidates.append({"docid": doc_id, "score": float(score), "doc": doc})
    yield {"query": {"text": query, "qid": ranked.query_id}, "candidates": candidates}


def first_stage_of(ranked: SharedList) -> tuple[str, ...]:
    """Returns the first stage's order of a list.

    Raises:
        UsageError: It is not known.
    """
    if ranked.first_stage is None:
        raise UsageError(
            f"the order in which the first stage gave the list of query {ranked.query_id} is not "
            "known",
            "export a form of one order such as lists; rank-llm-training takes --prompts shuffled",
        )
    return ranked.first_stage


def _fixed(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema(list(fields))


_REQUESTS = _fixed(
    ("query", pa.struct([("text", _TEXT), ("qid", _TEXT)])),
    (
        "candidates",
        pa.list_(
            pa.struct(
                [
                    ("docid", _TEXT),
                    ("score", pa.float64()),
                    ("doc", pa.struct([("title", _TEXT), ("text", _TEXT)])),
                ]
            )
        ),
    ),
)
LISTS = Writer(
    "one list a row: query_id, doc_ids[, scores]", _ANY, _lists_schema, _lists, scores="optional"
)
SENTENCE_TRANSFORMERS = Writer(
    "one list of ids a row, as rankzephyr-colbert: query_id, doc_ids",
    _ANY,
    lambda _: _fixed(("query_id", _TEXT), ("doc_ids", _TEXTS)),
    _ids,
    scores="unused",
)
LABELED_LIST = Writer(
    "for RankNetLoss, ADRMSELoss and other list losses: query, docs, labels",
    _ANY,
    lambda _: _fixed(("query", _TEXT), ("docs", _TEXTS), ("labels", _NUMBERS)),
    _labeled,
    texts="always",
)
LIGHTONAI = Writer(
    "the scores of lightonai's sets: query_id, document_ids, scores, positive_ids",
    _ANY,
    lambda _: _fixed(
        ("query_id", _TEXT),
        ("document_ids", _TEXTS),
        ("scores", _NUMBERS),
        ("positive_ids", _TEXTS),
    ),
    _lightonai,
    takes=frozenset({"positives"}),
)
FULLRANK = Writer(
    "both orders: qid, initial_list, final_list",
    _ANY,
    lambda _: _fixed(("qid", _TEXT), ("initial_list", _TEXTS), ("final_list", _TEXTS)),
    _fullrank,
    scores="unused",
    needs_first_stage=True,
)
RANK_LLM = Writer(
    "rank_llm's results, or with --order first-stage its requests: query, candidates",
    ("jsonl", "json", "parquet"),
    lambda _: _REQUESTS,
    _requests,
    texts="always",
)
