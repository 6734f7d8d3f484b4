"""Writes the orders of listwise teachers as chats to train on, and as TWOLAR's rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from rankgen.manifests.forms.shapes.prompt_text import written_answer
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.writers.base import ChatLayout, WriteOptions, Writer, texts_of


class Example(NamedTuple):
    """One prompt with the order that answers it.

    Attributes:
        name: Distinct among the examples.
        doc_ids: The passages, in the order of the prompt.
        order: Places in `doc_ids` from 0, best first.
    """

    name: str
    system: str
    user: str
    doc_ids: Sequence[str]
    order: Sequence[int]


# Layout -> the names of a turn's role and text, and the roles of system, user and answer.
_LAYOUTS: dict[ChatLayout, tuple[str, str, tuple[str, str, str]]] = {
    "conversations": ("from", "value", ("system", "human", "gpt")),
    "messages": ("role", "content", ("system", "user", "assistant")),
}


def chat_row(example: Example, layout: ChatLayout) -> dict[str, object]:
    """Returns an example as a row: id, its three turns, and the ids of its passages."""
    role_name, text_name, roles = _LAYOUTS[layout]
    texts = (example.system, example.user, written_answer(example.order))
    turns = [{role_name: role, text_name: text} for role, text in zip(roles, texts, strict=True)]
    return {"id": example.name, layout: turns, "docids": list(example.doc_ids)}


def chat_schema(options: WriteOptions) -> pa.Schema:
    """Returns the columns of `chat_row`."""
    role_name, text_name, _ = _LAYOUTS[options.layout]
    turn = pa.struct([(role_name, pa.string()), (text_name, pa.string())])
    return pa.schema(
        [("id", pa.string()), (options.layout, pa.list_(turn)), ("docids", pa.list_(pa.string()))]
    )


def _twolar(
    ranked: SharedList, options: WriteOptions, counts: Counter[str]
) -> Iterator[Mapping[str, object]]:
    del counts
    query, texts = texts_of(ranked)
    passages = [{"docid": doc_id, "text": texts[doc_id]} for doc_id in ranked.doc_ids]
    yield {
        "query": query,
        "positive_passages": passages[: options.positives or 0],
        "retrieved_passages": passages,
    }


_PASSAGES = pa.list_(pa.struct([("docid", pa.string()), ("text", pa.string())]))
TRAINING = Writer(
    "chats to train a listwise LLM on with rank_llm: id, conversations, docids",
    ("jsonl", "json", "parquet"),
    chat_schema,
    texts="always",
    scores="unused",
    needs_first_stage=True,
    takes=frozenset({"layout"}),
)
TWOLAR = Writer(
    "TWOLAR's rows, in the teacher's order: query, positive_passages, retrieved_passages",
    ("jsonl", "parquet", "json"),
    lambda _: pa.schema(
        [
            ("query", pa.string()),
            ("positive_passages", _PASSAGES),
            ("retrieved_passages", _PASSAGES),
        ]
    ),
    _twolar,
    texts="always",
    scores="unused",
    takes=frozenset({"positives"}),
)
