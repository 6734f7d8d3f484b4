"""Rows with a list of texts, as sentence-transformers trains on: `{query, docs, labels}`."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms import column_names as known
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.fields import first_of, list_in, number_in
from rankgen.manifests.forms.files.rows import Row
from rankgen.manifests.forms.shape import Preset
from rankgen.manifests.forms.shapes.passages import passage_in
from rankgen.manifests.forms.shapes.pos_neg import query_in, shared_list
from rankgen.manifests.forms.shared_list import SharedList

_TEXTS = ("docs", "documents", "passages", "texts")


def holds_text_list(row: Mapping[str, object]) -> bool:
    """Tells whether a row has a query and a list of texts without ids."""
    name = first_of(row, _TEXTS)
    has_ids = first_of(row, known.LIST_DOC_IDS) is not None
    is_query = first_of(row, known.QUERY_TEXTS) is not None
    return is_query and not has_ids and name is not None and isinstance(row[name], list)


def text_list_of(row: Row, preset: Preset, tally: Tally) -> SharedList | None:
    """Returns the texts of a row, best first by its labels; without labels in the row's order.

    Returns None for a row without texts.

    Raises:
        UsageError: The row has another form.
    """
    where, fields = row
    name = next(name for name in _TEXTS if fields.get(name) is not None)
    at = f"{where}, {name}"
    passages = [passage_in(at, value, tally) for value in list_in(where, fields[name], name)]
    labelled = first_of(fields, known.LIST_SCORES)
    if labelled is not None:
        labels = list_in(where, fields[labelled], labelled)
        if len(labels) != len(passages):
            raise UsageError(
                f"{where}: the columns {name} and {labelled} hold lists of {len(passages)} and "
                f"{len(labels)}",
                "write one label for each document, or remove the row",
            )
        scored = [
            passage._replace(score=number_in(where, label, "label"))
            for passage, label in zip(passages, labels, strict=True)
        ]
        passages = sorted(scored, key=lambda passage: -(passage.score or 0.0))
    return shared_list(where, query_in(row, preset, tally), passages, tally)
