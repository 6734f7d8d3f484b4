"""What a kill left on disk, and whether the resumed run made the best of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from kill_scenes import HIDDEN, SCENES, SceneName, Untouched
from killed_runs import (
    CONCURRENCY,
    SHARDS,
    KillableRun,
    answered,
    promised,
    published,
    without_failed_calls,
)
from processes import alive

from rankgen.manifests.run.commit_record import CommitRecord


class Snapshot:
    """What is on disk between the kill and the resumption.

    Args:
        run: The run.
        dead: The workers that died.
    """

    def __init__(self, run: KillableRun, dead: Sequence[int]) -> None:
        self.dead = dead
        self.asked = {window for _, window in run.asked()}
        # First the journals: a commit that comes in between is told by its record.
        self.journals = {
            (shard, process): run.journalled(shard, process)
            for shard in range(SHARDS)
            for process in dead
        }
        records = run.records()
        self.committed = set(records)
        self.in_commits = sum(record.counts["windows_ok"] for record in records.values())
        self.all_died = not any(map(alive, run.role_processes("driver")))

    @property
    def windows(self) -> int:
        """The journalled windows of shards that were not committed."""
        return sum(len(k) for (s, _), k in self.journals.items() if s not in self.committed)

    def check(self, run: KillableRun, whole: Untouched, scene: SceneName) -> int:
        """Checks the finished run and returns how many windows were asked for twice.

        Args:
            run: The same run, resumed.
            whole: The untouched one.
            scene: What went wrong beside the kill.
        """
        check_end(run, whole)
        asked = [window for _, window in run.asked()]
        relabelled = len(asked) - len(set(asked))
        assert len(set(asked)) == whole.windows
        if "die=" not in run.faults:  # A query that ends its workers costs windows of its own.
            most = len(self.dead) * CONCURRENCY
            assert relabelled <= most, f"{relabelled} windows asked twice"
        if scene == "gpus":
            check_gpus(run)
        if scene == "container":
            check_one_at_a_time(run)
        if scene in HIDDEN:
            check_blind_node(run, had_time=not self.all_died)
        if not (SCENES[scene].faults or SCENES[scene].is_retry):
            self._check_economy(run, relabelled)
        return relabelled

    def _check_economy(self, run: KillableRun, relabelled: int) -> None:
        records = run.records()
        assert all(r.revision == 0 and not r.quarantined for r in records.values())
        if self.all_died:
            # Nothing else is asked again than what neither a commit nor the journal holds.
            assert relabelled == len(self.asked) - self.in_commits - self.windows
        for shard, record in records.items():
            if shard not in self.committed and _maker(record) not in self.dead:
                journals = [k for (s, _), k in self.journals.items() if s == shard]
                assert record.facts["windows_replayed"] == len(set().union(*journals))


def check_end(run: KillableRun, whole: Untouched) -> None:
    """Checks what a finished run has published, promised and left behind."""
    if run.has_failed_calls:
        assert answered(run.out) == whole.answered
        found, wanted = map(without_failed_calls, (promised(run.out), whole.promised))
        assert found == wanted
    else:
        assert published(run.out) == whole.shards
        assert promised(run.out) == whole.promised
    assert sorted(run.records()) == list(range(SHARDS))
    if not whole.promised["quarantined"]:
        left = [p for name in ("attempts", "journal") for p in (run.out / ".rankgen").glob(name)]
        assert not left, f"the finished run still holds {left}"


def check_gpus(run: KillableRun) -> None:
    """Checks that Ray showed every worker exactly one GPU."""
    shown = {(call.process, call.gpus) for call in run.calls_so_far()}
    assert len(shown) == len({process for process, _ in shown})
    assert all(gpus.isdecimal() for _, gpus in shown), shown


def check_one_at_a_time(run: KillableRun) -> None:
    """Checks that no two workers were at work at a time."""
    calls = [call.process for call in run.calls_so_far()]
    turns = [process for process, _ in itertools.groupby(calls)]
    assert len(turns) == len(set(turns)), turns


def check_blind_node(run: KillableRun, had_time: bool) -> None:
    """Checks that no worker ever was at work on the node that does not see a folder.

    Args:
        run: The run.
        had_time: One driver lived long enough to hear of that node.
    """
    events = run.events()
    failed = [event for event in events if event["event"] == "worker could not start"]
    reason = re.compile(r"does not see the driver's folder|has no candidates")
    assert all(reason.search(str(event["reason"])) for event in failed)
    assert failed or not had_time
    ready = {event["node"] for event in events if event["event"] == "worker ready"}
    assert len({event["node"] for event in failed} - ready) == bool(failed)


def _maker(record: CommitRecord) -> int:
    return int(str(record.facts["worker"]).rpartition("-")[2])
