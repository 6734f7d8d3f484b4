"""What a run was made from: the first stage, its collection, and the collection's judgements.

A run knows what it was made from by a digest; where the folder that it was given is gone, or holds
others by now, there is nothing to tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rankgen.manifests.errors import RankgenError
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Plan, read_plan
from rankgen.manifests.run.provenance import committed_files
from rankgen.manifests.run.run_directory import QRELS, RunDirectory
from rankgen.manifests.storage.atomic import file_exists, local_file
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.manifests.storage.object_store import store_problem
from rankgen.manifests.trec import Qrels, read_qrels

# A label run of a rerank run of a retrieve run has two before it.
_MOST_BEFORE = 8


@dataclass(frozen=True)
class Origin:
    """What is known of the runs that a run was made from.

    Attributes:
        first_stage: The recipe of the retrieve run; None where that run is not to be found.
        collection: What the texts are from, such as "irds:msmarco-passage/train"; None if unknown.
        qrels: The judgements of its collection; None where there are none or it is not found.
    """

    first_stage: dict[str, JsonValue] | None
    collection: str | None
    qrels: Qrels | None


def origin_of(run: RunDirectory, plan: Plan) -> Origin:
    """Follows a run's candidates back to the retrieve run that found them, or to an import."""
    for _ in range(_MOST_BEFORE):
        if plan.kind == "retrieve":
            return Origin(dict(plan.recipe), _text(plan.recipe.get("collection")), _judgements(run))
        before = _before(plan)
        if before is None:
            named = plan.recipe.get("collection") or plan.settings.get("source")
            return Origin(None, _text(named), _judgements(run))
        run, plan = before
    return Origin(None, None, None)


def _before(plan: Plan) -> tuple[RunDirectory, Plan] | None:
    """Returns the run that a run was made from, if it is still where it was, with its content."""
    is_part = plan.kind == "subsample"
    named = plan.settings.get("rankings" if is_part else "candidates")
    digest = plan.recipe.get("rankings_sha256" if is_part else "candidates_sha256")
    if not isinstance(named, str) or digest is None:
        return None
    try:
        run = RunDirectory(named)
        found = read_plan(run)
        held = _digest_of_rankings(run, found) if is_part else CandidateLists(run).digest()
        return (run, found) if held == digest else None
    except (RankgenError, OSError):
        return None
    except Exception as error:
        # A store that answers no longer.
        if store_problem(error) is None:
            raise
        return None


def _digest_of_rankings(run: RunDirectory, plan: Plan) -> str:
    """Returns the digest by which `rankgen subsample` knows the run that it takes a part of."""
    records = Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()
    return sha256_of_value(committed_files(run, plan, records))


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _judgements(run: RunDirectory) -> Qrels | None:
    path: Path = run.root / QRELS
    if not file_exists(path):
        return None
    with local_file(path) as local:
        return read_qrels(local)
