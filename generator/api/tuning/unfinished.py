"""The error of a search with trials that have not ended: whether repeating the command may help."""

from __future__ import annotations

from rankgen.generator.api.tuning.result import TrialResult, TuneResult
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import (
    EnvironmentProblem,
    IncompleteRun,
    IntegrityProblem,
    RankgenError,
    UsageError,
)

_AGAIN = "repeat the command to try again; the other trials are kept"
_BY_CODE: dict[int | None, type[RankgenError]] = {
    kind.exit_code: kind for kind in (UsageError, EnvironmentProblem, IntegrityProblem)
}


def problem_of(result: TuneResult) -> RankgenError | None:
    """Returns the error that the command ends with; None where all trials have ended.

    It is that of the trials themselves, with its exit code, where each has failed by its settings,
    its data or its machine: the same command would fail again.
    """
    left = [one for one in result.trials if one.state in ("failed", "begun", "")]
    if not left:
        return None
    first, count = left[0], len(result.trials)
    codes = {one.exit_code for one in left}
    kind = _BY_CODE.get(first.exit_code)
    if kind is None or len(codes) > 1:
        return IncompleteRun(
            f"not ended: {len(left)} of {counted(count, 'trial')} (first: trial {first.trial}: "
            f"{first.reason or 'not trained'})",
            _AGAIN,
        )
    if len(left) < count:
        return kind(
            f"{len(left)} of {counted(count, 'trial')} failed ({_first(left)})", _mending(first)
        )
    if len({one.reason for one in left}) == 1:
        return kind(f"every trial failed: {first.reason}", first.hint)
    return kind(f"every trial failed ({_first(left)})", _mending(first))


def _first(left: list[TrialResult]) -> str:
    drawn = ", ".join(f"{name}={value}" for name, value in left[0].settings.items())
    return f"first: trial {left[0].trial}, {drawn}: {left[0].reason}"


def _mending(first: TrialResult) -> str:
    return first.hint or "leave that value out of --search"
