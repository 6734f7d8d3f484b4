"""The shape of one list a row: ids with scores or without, two orders, or candidates with texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms import column_names as known
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.fields import first_of, id_in, list_in, needed, number_in, text_in
from rankgen.manifests.forms.files.rows import Row, read_rows
from rankgen.manifests.forms.shape import Preset
from rankgen.manifests.forms.shapes.candidate_rows import candidates_of, holds_candidates
from rankgen.manifests.forms.shapes.own_rankings import is_own_ranking, own_ranking
from rankgen.manifests.forms.shapes.text_lists import holds_text_list, text_list_of
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Source

_FIRST_STAGE, _FINAL = "initial_list", "final_list"


class ListRows:
    """Reads rows with one list of ids each, as FullRank, lightonai and rank_llm share them."""

    def fits(self, row: Mapping[str, object]) -> bool:
        """Tells whether a row holds a list of ids or texts, two orders of one, or candidates."""
        ids = first_of(row, (_FINAL, *known.LIST_DOC_IDS))
        holds_ids = ids is not None and isinstance(row[ids], list)
        return holds_candidates(row) or holds_ids or holds_text_list(row)

    def lists(self, source: Source, preset: Preset, tally: Tally) -> Iterator[SharedList]:
        """Yields the list of each row; see `ListShape`."""
        for part in source.parts:
            is_empty = True
            for row in read_rows(part):
                is_empty = False
                tally.read()
                if holds_candidates(row.fields):
                    yield candidates_of(row, tally)
                elif holds_text_list(row.fields):
                    listed = text_list_of(row, preset, tally)
                    if listed is None:
                        tally.lose("dropped_rows")
                    else:
                        yield listed
                else:
                    yield _list_of(row, preset)
            if is_empty:
                raise UsageError(f"{part.name} has no rows", "name a file with at least one row")


def _list_of(row: Row, preset: Preset) -> SharedList:
    where, fields = row.where, row.fields
    names = {role: (name,) for role, name in preset.columns.items()}
    query_column = needed(where, fields, names.get("query_id", known.QUERY_IDS), "query id")
    query_id = id_in(where, fields[query_column], query_column)
    text = first_of(fields, names.get("query", known.QUERY_TEXTS))
    query = None if text is None else text_in(where, fields[text], text)
    if _FINAL in fields:
        return _two_orders(row, query_id, query)
    column = needed(where, fields, names.get("doc_ids", known.LIST_DOC_IDS), "list of document ids")
    doc_ids = ids_in(where, fields[column], column)
    if is_own_ranking(fields) and not preset.columns:
        return own_ranking(row, SharedList(where, query_id, doc_ids, query=query))
    scored = first_of(fields, names.get("scores", known.LIST_SCORES))
    if scored is None:
        return SharedList(where, query_id, doc_ids, query=query)
    scores = [number_in(where, s, "score") for s in list_in(where, fields[scored], scored)]
    if len(scores) != len(doc_ids):
        raise UsageError(
            f"{where}: the columns {column} and {scored} hold lists of {len(doc_ids)} and "
            f"{len(scores)}",
            "write one score for each document, or remove the row",
        )
    return best_first(SharedList(where, query_id, doc_ids, tuple(scores), query=query))


def best_first(listed: SharedList) -> SharedList:
    """Returns a list in the order of its scores; equal ones keep the order they have."""
    assert listed.scores is not None, "the list has scores"
    scores = listed.scores
    places = sorted(range(len(scores)), key=lambda place: -scores[place])
    return listed._replace(
        doc_ids=tuple(listed.doc_ids[place] for place in places),
        scores=tuple(scores[place] for place in places),
    )


def ids_in(where: str, value: object, column: str) -> tuple[str, ...]:
    """Returns a list of ids as texts.

    Raises:
        UsageError: It is no list, or a member is no id.
    """
    return tuple(
        id_in(where, member, f"id in {column}") for member in list_in(where, value, column)
    )


def _two_orders(row: Row, query_id: str, query: str | None) -> SharedList:
    where, fields = row.where, row.fields
    final = ids_in(where, fields[_FINAL], _FINAL)
    if fields.get(_FIRST_STAGE) is None:
        return SharedList(where, query_id, final, query=query)
    first_stage = ids_in(where, fields[_FIRST_STAGE], _FIRST_STAGE)
    if sorted(final) != sorted(first_stage):
        raise UsageError(
            f"{where}: {_FINAL} is not a permutation of {_FIRST_STAGE} "
            f"({_difference(final, first_stage)})",
            "correct or remove the row",
        )
    return SharedList(where, query_id, final, first_stage=first_stage, query=query)


def _difference(final: Sequence[str], first_stage: Sequence[str]) -> str:
    if len(final) != len(first_stage):
        return f"{len(final)} and {len(first_stage)} documents"
    strange = next(doc_id for doc_id in final if final.count(doc_id) != first_stage.count(doc_id))
    return (
        f"document {strange} is in it {first_stage.count(strange)} and {final.count(strange)} times"
    )


SHAPE = ListRows()
