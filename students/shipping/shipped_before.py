"""Whether a folder holds already what a command asks for, so that it can be repeated."""

from __future__ import annotations

import json

from pydantic import JsonValue

from rankgen.manifests.models.model_source import pinned_model
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.retrieval.collections.judgements import judgements_sha256
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.shipped import Shipped
from rankgen.students.shipping.shipped_folder import RECORD

# These change nothing of what is shipped.
_APART = {"out", "threads", "dry_run"}
# The digests of what a shipped model was compared on, which the first records lack.
_COMPARED = "compared_sha256"


def asked_for(settings: ShipSettings) -> dict[str, JsonValue]:
    """Returns what makes two shipped folders the same: the student's weights and the settings.

    Of what it is compared on, the content counts too: judgements may have been mended since.
    """
    values: dict[str, JsonValue] = settings.model_dump(mode="json", exclude=_APART)
    if settings.has_validation:
        values[_COMPARED] = _compared(settings)
    return {**values, "student": student_identity(pinned_model(settings.student))}


def figures_of(shipped: Shipped) -> dict[str, JsonValue]:
    """Returns what a repeated command says again."""
    return shipped.model_dump(mode="json", exclude={"out", "was_finished"})


def shipped_before(settings: ShipSettings) -> Shipped | None:
    """Returns what `out` holds if this very command made it; None otherwise."""
    try:
        record = json.loads((settings.out / RECORD).read_text(encoding="utf-8"))
        wanted = asked_for(settings)
        if _COMPARED not in record["asked"]:
            wanted.pop(_COMPARED, None)
        if record["asked"] != wanted:
            return None
        return Shipped(out=settings.out, was_finished=True, **record["figures"])
    # A record that is damaged, or of before records said this.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _compared(settings: ShipSettings) -> list[JsonValue]:
    digests: list[JsonValue] = []
    for run, table in ((settings.candidates, "candidates"), (settings.rankings, "rankings")):
        if run is not None:
            digests.append(tables_digest(RunDirectory(run), (table, "queries", "documents")))
    if settings.qrels is not None:
        digests.append(judgements_sha256(settings.qrels))
    return digests
