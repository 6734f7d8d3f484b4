"""Known column names of documents and queries, in all file formats."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

_SEPARATORS = re.compile(r"[\s_.#-]+")


class ColumnNames(NamedTuple):
    """The known column names of one kind of record, in order of precedence.

    An exact match is preferred; otherwise case, spaces, hyphens and underscores are ignored, so
    that `Query ID` matches `query_id`.
    """

    kind: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    titles: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """All known names."""
        return self.ids + self.texts + self.titles


# `pid` comes before `docid` because the passages of MS MARCO v2 have both.
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
    """The columns of a record that have known names; None for a missing one."""

    id: str | None
    text: str | None
    title: str | None


@functools.lru_cache(maxsize=1_024)
def find_columns(names: ColumnNames, fields: tuple[str, ...]) -> Found:
    """Finds the fields of a record that hold its id, text and title."""
    identity = _first(names.ids, fields)
    others = tuple(field for field in fields if field != identity)
    return Found(identity, _first(names.texts, others), _first(names.titles, others))


def is_known(names: Sequence[str], field: str) -> bool:
    """Tells whether `field` is one of the names, ignoring case and separators."""
    return _squeezed(field) in {_squeezed(name) for name in names}


def _first(names: Sequence[str], fields: Sequence[str]) -> str | None:
    exact = next((name for name in names if name in fields), None)
    if exact is not None:
        return exact
    spelt = {_squeezed(field): field for field in reversed(fields)}
    return next((spelt[_squeezed(name)] for name in names if _squeezed(name) in spelt), None)


def _squeezed(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()
