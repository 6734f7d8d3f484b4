"""What a kill left on disk, and whether the resumed run made the best of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from killed_runs import CONCURRENCY, SHARDS, KillableRun, alive, published


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
        self.in_commits = sum(record.counts["windows"] for record in records.values())
        self.all_died = not any(map(alive, run.role_processes("driver")))

    @property
    def windows(self) -> int:
        """The journalled windows of shards that were not committed."""
        return sum(len(k) for (s, _), k in self.journals.items() if s not in self.committed)

    def check(self, run: KillableRun, shards: Mapping[str, bytes], windows: int) -> int:
        """Checks the finished run and returns how many windows were asked for twice.

        Args:
            run: The same run, resumed.
            shards: The published bytes of the untouched run.
            windows: How many windows that one asked for.
        """
        assert published(run.out) == shards
        records = run.records()
        assert sorted(records) == list(range(SHARDS))
        assert all(r.revision == 0 and not r.quarantined for r in records.values())
        asked = [window for _, window in run.asked()]
        relabelled = len(asked) - len(set(asked))
        assert len(set(asked)) == windows
        assert relabelled <= len(self.dead) * CONCURRENCY, f"{relabelled} windows asked twice"
        if self.all_died:
            # Nothing else is asked again than what neither a commit nor the journal holds.
            assert relabelled == len(self.asked) - self.in_commits - self.windows
        for shard, record in records.items():
            maker = int(str(record.facts["worker"]).rpartition("-")[2])
            if shard not in self.committed and maker not in self.dead:
                journals = [k for (s, _), k in self.journals.items() if s == shard]
                assert record.facts["windows_replayed"] == len(set().union(*journals))
        left = [p for name in ("attempts", "journal") for p in (run.out / ".rankgen").glob(name)]
        assert not left, f"the finished run still holds {left}"
        return relabelled
