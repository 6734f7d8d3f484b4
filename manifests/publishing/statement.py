"""manifest.json and SHA256SUMS of a published data set; both hold no date and no local path."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from rankgen.manifests.publishing.layout import PublishedFile
from rankgen.manifests.publishing.licence import Licence
from rankgen.manifests.publishing.origin import Origin
from rankgen.manifests.publishing.source import Source
from rankgen.manifests.run.provenance import STATEMENT_TYPE, software
from rankgen.manifests.schema import SCHEMA_MINOR_VERSION, SCHEMA_VERSION
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.manifests.storage.public_paths import file_name, is_local_path
from rankgen.manifests.teacher_scores import FACT

PUBLICATION_TYPE = "urn:rankgen:publication:v1"
MANIFEST, SUMS, CARD, CROISSANT = "manifest.json", "SHA256SUMS", "README.md", "croissant.json"
# Facts of an environment that name a machine, and not what was computed there.
_PRIVATE = frozenset({"base_url", "made_shards", "run", "threads"})


class Written(NamedTuple):
    """A file of the data set, finished."""

    config: str
    rows: int
    bytes: int
    sha256: str


def description(
    source: Source,
    origin: Origin,
    licence: Licence | None,
    files: Sequence[PublishedFile],
    *,
    with_text: bool,
) -> dict[str, JsonValue]:
    """Returns what the manifest says of the data set, before a file of it is written.

    It has the names that a run's manifest has, so that whatever reads one reads the other. Its
    "identity" covers all that decides the bytes of the files.
    """
    facts: dict[str, JsonValue] = {
        "kind": source.plan.kind,
        "fingerprint": source.plan.fingerprint,
        "recipe": public(source.plan.recipe),
        "schema_version": SCHEMA_VERSION,
        "schema_minor_version": SCHEMA_MINOR_VERSION,
        "queries": source.plan.queries,
        "published_queries": source.queries,
        "shards": source.plan.shards,
        "committed_shards": source.committed,
        "is_partial": not source.is_finished,
        "counts": dict(source.counts),
        "quarantined": dict(source.quarantined),
        # Of what comes from an import: whether its positions are those of a first stage.
        "first_stage": public(origin.first_stage or source.facts.get("first_stage")),
        "with_text": with_text,
        "licence": None if licence is None else licence.notice,
        "software": source.facts.get("software"),
        "environments": public(source.facts.get("environments") or []),
        "published_by": {
            name: version
            for name, version in software().items()
            if name in ("rankgen-distill", "pyarrow")
        },
    }
    # Of an import, where it is from and what was lost; of a part or a mixture, the whole runs.
    for name in (FACT, "source", "sources", "form", "losses"):
        if name in source.facts:
            facts[name] = public(source.facts[name])
    sources = [file.sha256 for table in source.tables.values() for file in table]
    facts["identity"] = sha256_of_value({**facts, "files": [list(f) for f in files], "of": sources})
    return facts


def manifest_text(description: Mapping[str, JsonValue], written: Mapping[str, Written]) -> str:
    """Returns manifest.json: an in-toto statement whose subjects are the data files."""
    rows: Counter[str] = Counter()
    for file in written.values():
        rows[file.config] += file.rows
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": file.sha256}}
            for name, file in sorted(written.items())
        ],
        "predicateType": PUBLICATION_TYPE,
        "predicate": {**description, "rows": dict(sorted(rows.items()))},
    }
    return json.dumps(statement, indent=2, ensure_ascii=False) + "\n"


def sums_text(digests: Mapping[str, str]) -> str:
    """Returns SHA256SUMS, as `sha256sum -c` reads it, of path -> SHA-256."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def public(value: JsonValue) -> JsonValue:
    """Returns a value without what only this machine knows: paths are cut to their last part."""
    if isinstance(value, dict):
        return {key: public(held) for key, held in value.items() if key not in _PRIVATE}
    if isinstance(value, list):
        return [public(held) for held in value]
    return file_name(value) if isinstance(value, str) and is_local_path(value) else value
