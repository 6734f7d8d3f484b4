"""Reads rows of a form as an import does, from files that a test has written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rankgen.manifests.forms.accounting import Losses, Tally
from rankgen.manifests.forms.registry import preset_of, shape_of
from rankgen.manifests.forms.shape import ListShape, RowShape
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Kind, Part, Source


def source_of(*paths: Path) -> Source:
    """Returns files as a source; the suffix, without compression, tells the kind."""
    parts = tuple(Part(str(path), path, _kind(path)) for path in paths)
    return Source(str(paths[0].parent), parts, "0" * 64)


def lists_in(form: str, *paths: Path) -> tuple[list[SharedList], Losses]:
    """Returns the lists of a form whose rows are lists, and what was lost."""
    preset, tally = preset_of(form), Tally()
    shape = shape_of(preset.shape)
    assert isinstance(shape, ListShape)
    found = list(shape.lists(source_of(*paths), preset, tally))
    return found, tally.losses()


def written(path: Path, rows: Sequence[object]) -> Path:
    """Writes rows as JSON Lines, or as one JSON list for a name that ends in .json."""
    if path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _kind(path: Path) -> Kind:
    suffix = next(s for s in reversed(path.suffixes) if s not in (".gz", ".zst"))
    kinds: dict[str, Kind] = {".jsonl": "jsonl", ".json": "json", ".parquet": "parquet"}
    return kinds.get(suffix, "text")


def rows_in(form: str, *paths: Path) -> tuple[list[dict[str, Any]], Losses]:
    """Returns the rows of a form whose rows are scored documents, and what was lost."""
    preset, tally = preset_of(form), Tally()
    shape = shape_of(preset.shape)
    assert isinstance(shape, RowShape)
    batches = shape.batches(source_of(*paths), preset, tally)
    return [row for batch in batches for row in batch.scored.to_pylist()], tally.losses()


def texts_in(form: str, path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the texts of queries and of documents that stand in scored rows, by id."""
    preset = preset_of(form)
    shape = shape_of(preset.shape)
    assert isinstance(shape, RowShape)
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    for batch in shape.batches(source_of(path), preset, Tally()):
        assert batch.queries is not None
        assert batch.documents is not None
        queries |= {row["query_id"]: row["text"] for row in batch.queries.to_pylist()}
        documents |= {row["doc_id"]: row["text"] for row in batch.documents.to_pylist()}
    return queries, documents
