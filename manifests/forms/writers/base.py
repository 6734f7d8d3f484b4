"""What writes a public form: the rows it makes of a list, their columns, and what it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Kind

ChatLayout = Literal["conversations", "messages"]
# Where the scores of a list come from: what the teacher or the first stage gave, or from the place
# in the order, for a list of n: n for the best and 1 for the last, or 1/1 to 1/n.
ScoresFrom = Literal["teacher", "first-stage", "order", "reciprocal"]


@dataclass(frozen=True)
class WriteOptions:
    """How a form is written; a form ignores what is not among the options that it takes.

    Attributes:
        positives: The top passages of a list that count as positive; None for the form's own
            number.
        negatives: Most of the others that count as negative, in the list's order; None for all.
        per_query: Most rows of a query, drawn at random; None for the form's own number.
        seed: Of these draws; with the query's id it decides them, whatever the other queries are.
        with_text: Whether a form that can do without the texts holds them.
        layout: How the turns of a chat are written.
        has_scores: Whether the lists have scores.
    """

    positives: int | None = None
    negatives: int | None = None
    per_query: int | None = None
    seed: int = 0
    with_text: bool = False
    layout: ChatLayout = "conversations"
    has_scores: bool = False


RowsOf = Callable[[SharedList, WriteOptions, "Counter[str]"], Iterator[Mapping[str, object]]]
LinesOf = Callable[[SharedList, WriteOptions, "Counter[str]"], Iterator[str]]
SchemaOf = Callable[[WriteOptions], pa.Schema]


@dataclass(frozen=True)
class Writer:
    """How a form is written.

    Attributes:
        about: What it is for and what its rows are, in a few words.
        kinds: The kinds of file that it can be written as, the usual one first.
        rows: Makes the rows of a list; it counts what it leaves out.
        schema: The columns of a Parquet file.
        lines: Makes lines of text instead, where the form is one.
        texts: Whether it holds texts: always, never, or as --with-text says.
        scores: Whether it needs scores, has no place for them, or takes what there is.
        stand_in: What takes the place of a teacher's scores that a run lacks, where the form's
            scores are by convention only an order; None where that has to be asked for.
        needs_first_stage: Whether it also holds the order of the first stage.
        takes: Names of the options in `WriteOptions` that it follows.
        check_name: Raises where the file's name would be misread.
    """

    about: str
    kinds: tuple[Kind, ...]
    schema: SchemaOf
    rows: RowsOf | None = None
    lines: LinesOf | None = None
    texts: Literal["always", "never", "asked"] = "never"
    scores: Literal["needed", "optional", "unused"] = "needed"
    stand_in: ScoresFrom | None = None
    needs_first_stage: bool = False
    takes: frozenset[str] = frozenset()
    check_name: Callable[[str], None] | None = None


def texts_of(ranked: SharedList) -> tuple[str, dict[str, str]]:
    """Returns the text of the query, and document id -> title and text.

    Raises:
        UsageError: The list lacks the text of its query or of a document.
    """
    texts = {document.doc_id: document.contents for document in ranked.documents}
    lacking = next((doc_id for doc_id in ranked.doc_ids if doc_id not in texts), None)
    if ranked.query is None or lacking is not None:
        missing = "its query" if ranked.query is None else f"document {lacking}"
        raise UsageError(
            f"the list of query {ranked.query_id} has no text of {missing}",
            "export a form of ids, or take the texts from a collection: rankgen import --help",
        )
    return ranked.query, texts


def scores_of(ranked: SharedList) -> tuple[float, ...]:
    """Returns the scores of a list that has some.

    Raises:
        UsageError: It has none.
    """
    if ranked.scores is None:
        raise UsageError(
            f"the list of query {ranked.query_id} has no scores",
            "add --scores order to write the places in the order instead",
        )
    return ranked.scores
