"""Which lists of a run are known to be in another's order as well: that of a first stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def knows_first_stage(
    told: Mapping[str, object] | None, kind: object, positions: Sequence[int]
) -> bool:
    """Tells whether the positions of a list are known to be those of a first stage.

    Imports count a list's own order where they know no other. One that knows the first stage of
    some lists does not say of which, but those in another order must be among them.

    Args:
        told: What the run's manifest says; None for a run without one.
        kind: The run's kind, such as "import"; None where it is not known.
        positions: `retrieval_positions` of the list.
    """
    stage = (told or {}).get("first_stage")
    if stage in ("known", "unknown"):
        return stage == "known"
    if kind == "import":
        return list(positions) != sorted(positions)
    return stage != "known of some"
