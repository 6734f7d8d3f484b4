"""Rows of a query with its positive and its negative passages: Tevatron, RLHN, BGE, sbert.

    query_id, query, positive_passages [{docid, title, text, score}], negative_passages [...]
    query, pos [text], neg [text], pos_scores, neg_scores
    qid, pos [{pid, ce-score}], neg {system: [{pid, ce-score}]}

Where every passage of a row has a score, the list is in the order of the scores. Elsewhere a row
says only which passages are positive: its scores are then 1 and 0, and ties among them mean that
the row orders no two positives and no two negatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.fields import first_of, id_in, list_in, needed, number_in, text_in
from rankgen.manifests.forms.files.rows import Row, read_rows
from rankgen.manifests.forms.shape import Preset
from rankgen.manifests.forms.shapes.passages import Passage, passage_in
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Source
from rankgen.manifests.forms.text_ids import id_of_text

POSITIVES = ("positive_passages", "pos", "positive", "positives")
NEGATIVES = ("negative_passages", "neg", "negative", "negatives")
QUERY_IDS = ("query_id", "qid", "query-id")
QUERIES = ("query", "query_text", "question")


class _PosNeg:
    """The shape `pos-neg`."""

    def fits(self, row: Mapping[str, object]) -> bool:
        """Tells whether a row has lists of positive and of negative passages."""
        positives, negatives = first_of(row, POSITIVES), first_of(row, NEGATIVES)
        return (
            positives is not None
            and negatives is not None
            and isinstance(row[positives], list)
            and isinstance(row[negatives], list | Mapping)
        )

    def lists(self, source: Source, preset: Preset, tally: Tally) -> Iterator[SharedList]:
        """Yields the list of every row; see `ListShape`."""
        has_scores: bool | None = None
        for row in (row for part in source.parts for row in read_rows(part)):
            tally.read()
            passages = _both_sides(row, tally)
            found = shared_list(row.where, query_in(row, preset, tally), passages.order(), tally)
            if found is None:
                tally.lose("dropped_rows")
                continue
            if has_scores not in (None, passages.has_scores):
                raise UsageError(
                    f"{row.where} has {'no ' if has_scores else ''}scores, unlike the rows before",
                    "give a score to each passage of each row, or to none",
                )
            has_scores = passages.has_scores
            tally.lose("scores_from_sides", 0 if has_scores else len(found.doc_ids))
            yield found


SHAPE = _PosNeg()


def query_in(row: Row, preset: Preset, tally: Tally) -> tuple[str, str | None]:
    """Returns the id and the text of a row's query; without an id that of its text.

    Raises:
        UsageError: The row has neither.
    """
    where, fields = row
    id_name = first_of(fields, (preset.columns.get("query_id", "query_id"), *QUERY_IDS))
    text_name = first_of(fields, QUERIES)
    text = text_in(where, fields[text_name], "query") if text_name else None
    if id_name is not None:
        return id_in(where, fields[id_name], "query id"), text
    if not text:
        raise UsageError(
            f"{where} has neither a query id nor a query",
            f"name a column {' or '.join((*QUERY_IDS[:2], *QUERIES[:1]))}, or another form",
        )
    tally.lose("query_ids_from_texts")
    return id_of_text(text), text


def shared_list(
    where: str, query: tuple[str, str | None], passages: Sequence[Passage], tally: Tally
) -> SharedList | None:
    """Returns passages, best first, as a list; None where none is left.

    Padding and passages that stand in the list already are left out and counted. The list has
    scores where each passage has one.
    """
    kept: dict[str, Passage] = {}
    for passage in passages:
        if passage.is_padding:
            tally.lose("padded_passages")
        elif passage.doc_id in kept:
            tally.lose("duplicate_rows")
        else:
            kept[passage.doc_id] = passage
    if not kept:
        return None
    scores = tuple(p.score for p in kept.values() if p.score is not None)
    return SharedList(
        where=where,
        query_id=query[0],
        doc_ids=tuple(kept),
        scores=scores if len(scores) == len(kept) else None,
        query=query[1],
        documents=tuple(p.document for p in kept.values() if p.document is not None),
    )


class _Sides(NamedTuple):
    """The passages of a row."""

    positives: list[Passage]
    negatives: list[Passage]
    has_scores: bool

    def order(self) -> list[Passage]:
        """Returns them by their scores; without scores by the side they are on."""
        if self.has_scores:
            both = [*self.positives, *self.negatives]
            return sorted(both, key=lambda passage: -(passage.score or 0.0))
        sides = ((self.positives, 1.0), (self.negatives, 0.0))
        return [passage._replace(score=score) for side, score in sides for passage in side]


def _both_sides(row: Row, tally: Tally) -> _Sides:
    positives = _passages(row, POSITIVES, tally)
    negatives = _passages(row, NEGATIVES, tally)
    scored = [passage.score is not None for passage in (*positives, *negatives)]
    if any(scored) and not all(scored):
        raise UsageError(
            f"{row.where}: {sum(scored)} of {counted(len(scored), 'passage')} have a score",
            "give a score to each passage of each row, or to none",
        )
    return _Sides(positives, negatives, any(scored))


def _passages(row: Row, names: Sequence[str], tally: Tally) -> list[Passage]:
    name = needed(row.where, row.fields, names, "list of passages")
    where = f"{row.where}, {name}"
    held = row.fields[name]
    # sbert names the system that found each negative.
    lists = held.items() if isinstance(held, Mapping) else [(name, held)]
    values = [value for key, given in lists for value in list_in(row.where, given, key)]
    passages = [passage_in(where, value, tally) for value in values]
    scores = row.fields.get(f"{name}_scores")
    if scores is None:
        return passages
    numbers = list_in(row.where, scores, f"{name}_scores")
    if len(numbers) != len(passages):
        raise UsageError(
            f"{row.where}: {name} holds {counted(len(passages), 'passage')} but {name}_scores "
            f"{counted(len(numbers), 'score')}",
            "write one score for each passage",
        )
    return [
        passage._replace(score=number_in(where, number, "score"))
        for passage, number in zip(passages, numbers, strict=True)
    ]
