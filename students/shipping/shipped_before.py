"""Whether a folder holds already what a command asks for, so that it can be repeated."""

from __future__ import annotations

import json

from pydantic import JsonValue

from rankgen.manifests.models.model_source import pinned_model
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.shipped import Shipped
from rankgen.students.shipping.shipped_folder import RECORD

# These change nothing of what is shipped.
_APART = {"out", "threads", "dry_run"}


def asked_for(settings: ShipSettings) -> dict[str, JsonValue]:
    """Returns what makes two shipped folders the same: the student's weights and the settings."""
    values: dict[str, JsonValue] = settings.model_dump(mode="json", exclude=_APART)
    return {**values, "student": student_identity(pinned_model(settings.student))}


def figures_of(shipped: Shipped) -> dict[str, JsonValue]:
    """Returns what a repeated command says again."""
    return shipped.model_dump(mode="json", exclude={"out", "was_finished"})


def shipped_before(settings: ShipSettings) -> Shipped | None:
    """Returns what `out` holds if this very command made it; None otherwise."""
    try:
        record = json.loads((settings.out / RECORD).read_text(encoding="utf-8"))
        if record["asked"] != asked_for(settings):
            return None
        return Shipped(out=settings.out, was_finished=True, **record["figures"])
    # A record that is damaged, or of before records said this.
    except (OSError, ValueError, KeyError, TypeError):
        return None
