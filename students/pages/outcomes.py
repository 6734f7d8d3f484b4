"""How the calls to a teacher ended, and what had to be repaired."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict

from rankgen.students.pages.opened_run import OpenedRun

ANSWERED = ("ok", "repaired", "truncated")
FAULTS = ("ids_missing", "ids_duplicate", "ids_out_of_range")
MOST_REASONS = 8
_CHARACTERS = 160


class Reason(TypedDict):
    """Why calls failed: the outcome they are counted under, and the reason of the run."""

    outcome: str
    reason: str
    calls: int


class Outcomes(TypedDict):
    """The calls of one run.

    Attributes:
        windows: Windows that led to rankings, by how their answers were read.
        failed: Failed calls by outcome.
        faults: What was repaired in those windows: ids missing, named twice, out of range.
        reasons: The most frequent reasons of failed calls.
        cut: Calls for which a text had to be shortened to fit the context.
    """

    windows: dict[str, int]
    failed: dict[str, int]
    faults: dict[str, int]
    reasons: list[Reason]
    cut: int


def outcomes_of(run: OpenedRun) -> Outcomes | None:
    """Returns the outcomes; None for a run that has no windows.

    The windows and faults are the counts that `rankgen status` shows, where the run has such.

    Raises:
        IntegrityProblem: A shard cannot be read.
    """
    if not run.has_windows:
        return None
    counts, failures, cut = Counter(run.counts), Counter[tuple[str, str]](), 0
    columns = ["permutation", "outcome", "reason", "cut", *_FAULT_COLUMNS]
    tallied: Counter[str] = Counter()
    for shard in run.directory.shards("windows", columns):
        for row in shard.to_pylist():
            cut += bool(row["cut"])
            if row["permutation"] is None:
                failures[row["outcome"], (row["reason"] or "")[:_CHARACTERS]] += 1
                continue
            tallied[f"windows_{row['outcome']}"] += 1
            for name, column in zip(FAULTS, _FAULT_COLUMNS, strict=True):
                tallied[name] += row[column]
    # A run that was not labelled here has no counts of its windows.
    known = counts if "windows_ok" in counts else tallied
    failed: Counter[str] = Counter()
    for (outcome, _), calls in failures.items():
        failed[outcome] += calls
    return Outcomes(
        windows={outcome: known[f"windows_{outcome}"] for outcome in ANSWERED},
        failed=dict(failed.most_common()),
        faults={name: known[name] for name in FAULTS},
        reasons=[
            Reason(outcome=outcome, reason=reason, calls=calls)
            for (outcome, reason), calls in failures.most_common(MOST_REASONS)
        ],
        cut=cut,
    )


_FAULT_COLUMNS = ("missing", "duplicates", "out_of_range")
