"""Whether systems that should re-rank a first stage rank other passages than it returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rankgen.manifests.trec import Qrels
from rankgen.students.evaluation.systems import System


def lists_beyond_first_stage(systems: Sequence[System], qrels: Qrels) -> dict[str, int]:
    """Returns how many judged lists of each system hold passages that the first stage lacks.

    Students re-rank the first stage itself, so they are not looked at. Without a first stage
    nothing is known, and the result is empty.

    Args:
        systems: First stage, runs, teachers and students.
        qrels: The judgements whose queries count.
    """
    first = next((system for system in systems if system.kind == "first-stage"), None)
    if first is None:
        return {}
    return {
        system.name: sum(
            not system.scores[query].keys() <= first.scores.get(query, {}).keys()
            for query in qrels.keys() & system.scores.keys()
        )
        for system in systems
        if system.kind in ("run", "teacher")
    }


def beyond_notices(systems: Sequence[System], beyond: Mapping[str, int]) -> list[str]:
    """Returns a sentence on each teacher that ranked other passages than the first stage returned.

    A run may be another first stage, so that it is no surprise there.
    """
    return [
        f"{system.name}: {beyond[system.name]:,} lists hold passages that the first stage did not "
        "return; was it given other candidates?"
        for system in systems
        if system.kind == "teacher" and beyond.get(system.name)
    ]
