"""What the checks of an attempt at a shard share, whatever the job."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rankgen.manifests.errors import IntegrityProblem

AGAIN = "repeat the command to try again"


def check_planned(
    query_ids: Sequence[str], planned: Collection[str], quarantined: Collection[str]
) -> None:
    """Checks that an attempt holds each planned query once, by id, but none that failed.

    Args:
        query_ids: The queries of its rows, in their order.
        planned: The queries of the shard.
        quarantined: Those that failed.

    Raises:
        IntegrityProblem: It does not.
    """
    if list(query_ids) != sorted(set(planned) - set(quarantined)):
        raise IntegrityProblem("an attempt does not hold the planned queries", AGAIN)
