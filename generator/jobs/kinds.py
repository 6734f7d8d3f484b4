"""The jobs: what each publishes and counts, and the check of its rows."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rankgen.manifests.run.ledger import Validate
    from rankgen.manifests.run.plan import Kind


@dataclass(frozen=True)
class JobKind:
    """One job.

    Attributes:
        tables: What each of its shards holds.
        unit: What its workers count while they work.
        rows_checked_by: MODULE:FUNCTION in this room that checks an attempt.
    """

    tables: tuple[str, ...]
    unit: str
    rows_checked_by: str

    def validate(self) -> Validate:
        """Imports the check of a shard's rows."""
        module, _, function = self.rows_checked_by.partition(":")
        checks = importlib.import_module(f"rankgen.generator.jobs.{module}")
        return cast("Validate", getattr(checks, function))


KINDS: Mapping[Kind, JobKind] = {
    "retrieve": JobKind(("candidates",), "queries", "retrieve.work:validate_candidates"),
    "label": JobKind(("rankings", "windows"), "windows", "label.checks:validate_rankings"),
    "rerank": JobKind(("candidates",), "pairs", "rerank.work:validate_reranked"),
    "negatives": JobKind(("rankings",), "lists", "negatives.work:validate_lists"),
    "import": JobKind(("rankings",), "lists", "imports.rows:validate_imported"),
    # Without windows where the run that it is cut out of has none.
    "subsample": JobKind(("rankings", "windows"), "lists", "subsample.rows:validate_subsample"),
    "mix": JobKind(("rankings",), "lists", "subsample.rows:validate_subsample"),
}
