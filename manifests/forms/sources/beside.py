"""Files of texts that lie beside rankings, as in the configurations `queries` and `documents`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms import column_names as known
from rankgen.manifests.forms.fields import first_of, id_in, needed, text_in
from rankgen.manifests.forms.files.rows import read_rows
from rankgen.manifests.forms.sources.base import Part, Source

QUERIES, DOCUMENTS = frozenset({"queries"}), frozenset({"documents", "corpus"})


class Beside(NamedTuple):
    """A source, divided.

    Attributes:
        ranked: The source with its rankings alone.
        queries: Files with texts of queries.
        documents: Files with texts of documents.
    """

    ranked: Source
    queries: tuple[Part, ...]
    documents: tuple[Part, ...]


def divided(source: Source, config: str | None) -> Beside:
    """Divides a source into rankings and the texts beside them.

    Args:
        source: The source.
        config: The folder or configuration of the rankings; None where there is only one.

    Raises:
        UsageError: There is no such folder, or there are several and none was named.
    """
    texts = QUERIES | DOCUMENTS
    ranked = [part for part in source.parts if part.config not in texts]
    configs = sorted({part.config for part in ranked})
    if config is not None:
        if config not in configs:
            held = ", ".join(c for c in configs if c) or "none"
            raise UsageError(f"{source.told} has no rankings called '{config}'", f"it has: {held}")
        ranked = [part for part in ranked if part.config == config]
    elif len(configs) > 1:
        raise UsageError(
            f"{source.told} holds several sets of rankings: {', '.join(c or '.' for c in configs)}",
            "name one of them with --config",
        )
    if not ranked:
        raise UsageError(f"{source.told} holds texts but no rankings", "name the rankings' folder")
    return Beside(
        replace(source, parts=tuple(ranked)),
        tuple(part for part in source.parts if part.config in QUERIES),
        tuple(part for part in source.parts if part.config in DOCUMENTS),
    )


def query_rows(parts: Sequence[Part], wanted: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Yields id and text of the wanted queries of files.

    Raises:
        UsageError: A row has no id or no text.
    """
    for part in parts:
        for row in read_rows(part):
            column = needed(row.where, row.fields, known.TEXT_QUERY_IDS, "query id")
            query_id = id_in(row.where, row.fields[column], column)
            if query_id in wanted:
                text = needed(row.where, row.fields, known.TEXT_QUERIES, "query text")
                yield query_id, text_in(row.where, row.fields[text], text)


def document_rows(parts: Sequence[Part], wanted: AbstractSet[str]) -> Iterator[tuple[str, ...]]:
    """Yields id, title and text of the wanted documents of files.

    Raises:
        UsageError: A row has no id or no text.
    """
    for part in parts:
        for row in read_rows(part):
            column = needed(row.where, row.fields, known.TEXT_DOC_IDS, "document id")
            doc_id = id_in(row.where, row.fields[column], column)
            if doc_id in wanted:
                text = needed(row.where, row.fields, known.TEXT_DOCUMENTS, "document text")
                title = first_of(row.fields, known.TITLES)
                yield (
                    doc_id,
                    "" if title is None else text_in(row.where, row.fields[title], title),
                    text_in(row.where, row.fields[text], text),
                )
