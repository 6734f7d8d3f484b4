"""What a run was made from: the first stage, its collection, and the collection's judgements.

A run knows its candidates by their digest; where the folder that it was given is gone, or holds
others by now, there is nothing to tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rankgen.manifests.errors import RankgenError
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import Plan, read_plan
from rankgen.manifests.run.run_directory import QRELS, RunDirectory
from rankgen.manifests.storage.atomic import file_exists, local_file
from rankgen.manifests.storage.object_store import store_problem
from rankgen.manifests.trec import Qrels, read_qrels

# A label run of a rerank run of a retrieve run has two before it.
_MOST_BEFORE = 8


@dataclass(frozen=True)
class Origin:
    """What is known of the runs that a run was made from.

    Attributes:
        first_stage: The recipe of the retrieve run; None where that run is not to be found.
        qrels: The judgements of its collection; None where there are none or it is not found.
    """

    first_stage: dict[str, JsonValue] | None
    qrels: Qrels | None

    @property
    def collection(self) -> str | None:
        """The name of the collection, such as "irds:msmarco-passage/train"."""
        name = (self.first_stage or {}).get("collection")
        return name if isinstance(name, str) else None


def origin_of(run: RunDirectory, plan: Plan) -> Origin:
    """Follows a run's candidates back to the retrieve run that found them."""
    for _ in range(_MOST_BEFORE):
        if plan.kind == "retrieve":
            return Origin(dict(plan.recipe), _judgements(run))
        before = _candidates_of(plan)
        if before is None:
            return Origin(None, _judgements(run))
        run, plan = before
    return Origin(None, None)


def _candidates_of(plan: Plan) -> tuple[RunDirectory, Plan] | None:
    named, digest = plan.settings.get("candidates"), plan.recipe.get("candidates_sha256")
    if not isinstance(named, str) or digest is None:
        return None
    try:
        before = RunDirectory(named)
        found = before, read_plan(before)
        return found if CandidateLists(before).digest() == digest else None
    except (RankgenError, OSError):
        return None
    except Exception as error:
        # A store that answers no longer.
        if store_problem(error) is None:
            raise
        return None


def _judgements(run: RunDirectory) -> Qrels | None:
    path: Path = run.root / QRELS
    if not file_exists(path):
        return None
    with local_file(path) as local:
        return read_qrels(local)
