"""What a shape of a public form has to offer: to recognise its rows, and to read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa

from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Source
from rankgen.manifests.teacher_scores import Unit

ShapeName = Literal["trec-run", "scored-rows", "lists", "pos-neg", "prompts"]
# What a column can hold; those in the plural hold lists.
ROLES = ("query_id", "doc_id", "score", "rank", "query", "document", "doc_ids", "scores")
# Columns of the batches of a `RowShape`. `place` numbers the rows of a source from 0; `rank` is
# null where the form has none; `score` is finite.
SCORED_ROWS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("rank", pa.int64()),
        pa.field("place", pa.int64(), nullable=False),
    ]
)
# Texts beside them; a row again is no harm.
QUERY_TEXTS = pa.schema([("query_id", pa.string()), ("text", pa.string())])
DOCUMENT_TEXTS = pa.schema([("doc_id", pa.string()), ("title", pa.string()), ("text", pa.string())])


@dataclass(frozen=True)
class Preset:
    """A named form: a shape with what only this form's readers have to know.

    Attributes:
        shape: The shape of its rows.
        about: What it is, in a few words.
        unit: What its scores are, if it has any.
        columns: Role (of `ROLES`) -> the source's own name of a column, such as "score" ->
            "ce-score"; what the user names is added to it.
        is_ordered: Whether retrieved passages are in the teacher's order already.
    """

    shape: ShapeName
    about: str
    unit: Unit = "run score"
    columns: Mapping[str, str] = field(default_factory=dict)
    is_ordered: bool = False


@dataclass(frozen=True)
class Rows:
    """A batch of a `RowShape`.

    Attributes:
        scored: Rows with the columns `SCORED_ROWS`.
        queries: Their queries' texts, with the columns `QUERY_TEXTS`; None in a form of ids.
        documents: Their documents' texts, with the columns `DOCUMENT_TEXTS`; None likewise.
    """

    scored: pa.Table
    queries: pa.Table | None = None
    documents: pa.Table | None = None


class Shape(Protocol):
    """What every shape has."""

    def fits(self, row: Mapping[str, object]) -> bool:
        """Tells whether a row, the first of a source, has this shape.

        Args:
            row: Column -> value; a TREC run has the columns of `rows.RUN_COLUMNS`.
        """


@runtime_checkable
class ListShape(Shape, Protocol):
    """A shape of which every row, or every few rows, are one query's list."""

    def lists(self, source: Source, preset: Preset, tally: Tally) -> Iterator[SharedList]:
        """Yields the lists of a source, in its order; one query is in one list.

        Counts in `tally` the rows that it reads, and the losses that only it can see: padding,
        ids made from texts, rows without a list.

        Raises:
            UsageError: A row cannot be read as one of this shape; the message names file and row.
        """


@runtime_checkable
class RowShape(Shape, Protocol):
    """A shape of which every row is one scored document; a query's rows may stand anywhere."""

    def batches(self, source: Source, preset: Preset, tally: Tally) -> Iterator[Rows]:
        """Yields the rows of a source in batches of some 100,000.

        Raises:
            UsageError: A row cannot be read as one of this shape; the message names file and row.
        """
