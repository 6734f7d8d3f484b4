"""What the columns of documents and of queries may be called, in every format of file."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

_SEPARATORS = re.compile(r"[\s_.#-]+")


class ColumnNames(NamedTuple):
    """The names that are known for one kind of record; of several that are there the first counts.

    A name is found as it is written here, or else whatever its case, spaces, hyphens and
    underscores: `Query ID` is `query_id`.

    Attributes:
        kind: "document" or "query".
        ids: Names of the id.
        texts: Names of the text.
        titles: Names of the title.
    """

    kind: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    titles: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every known name."""
        return self.ids + self.texts + self.titles


# `pid` stands before `docid`, because the passages of MS MARCO v2 have both.
# fmt: off
DOCUMENT = ColumnNames(
    "document",
    ids=(
        "_id", "doc_id", "pid", "docid", "id", "docno", "passage_id", "document_id", "corpus_id",
        "did", "doc_number", "doc",
    ),
    texts=(
        "text", "contents", "content", "body", "passage", "segment", "document", "passage_text",
        "document_text", "doc_text", "full_text", "abstract",
    ),
    titles=("title",),
)
QUERY = ColumnNames(
    "query",
    ids=(
        "_id", "query_id", "qid", "id", "topic_id", "question_id", "topic", "number", "num",
        "query_number", "topic_number",
    ),
    texts=(
        "text", "query", "contents", "content", "question", "query_text", "topic_text", "title",
        "topic",
    ),
)
# fmt: on


class Found(NamedTuple):
    """The columns that a record has under known names; None where it has none."""

    id: str | None
    text: str | None
    title: str | None


@functools.lru_cache(maxsize=1_024)
def find_columns(names: ColumnNames, fields: tuple[str, ...]) -> Found:
    """Returns which of a record's fields are its id, its text and its title."""
    identity = _first(names.ids, fields)
    others = tuple(field for field in fields if field != identity)
    return Found(identity, _first(names.texts, others), _first(names.titles, others))


def is_known(names: Sequence[str], field: str) -> bool:
    """Says whether `field` is one of the names, however it is spelt."""
    return _squeezed(field) in {_squeezed(name) for name in names}


def _first(names: Sequence[str], fields: Sequence[str]) -> str | None:
    exact = next((name for name in names if name in fields), None)
    if exact is not None:
        return exact
    spelt = {_squeezed(field): field for field in reversed(fields)}
    return next((spelt[_squeezed(name)] for name in names if _squeezed(name) in spelt), None)


def _squeezed(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()
