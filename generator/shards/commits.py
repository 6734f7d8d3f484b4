"""Commits attempts, several shards at a time.

In an object store a commit takes several round trips: one thread would keep 64 GPUs waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple

from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.pool import Pool
from rankgen.generator.shards.second_try import SecondTry
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.progress import Progress
from rankgen.manifests.records import Query
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.ledger import Ledger, Validate
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import remove_tree

COMMIT_THREADS = 8


class Told(NamedTuple):
    """A finished commit.

    Attributes:
        task: The task.
        attempt: The committed attempt.
        planned: Number of the shard's queries.
        won: Whether this driver's commit counts, not that of another driver.
    """

    task: ShardTask
    attempt: Attempt
    planned: int
    won: bool


class Commits:
    """Runs commits in a few threads.

    A shard has at most one attempt in progress: its next revision starts only after `told` has
    returned this one. Leaving the block waits for running commits and drops the others.

    Args:
        ledger: Commits the attempts.
        validate: Checks an attempt before it is committed; called in threads.
    """

    def __init__(self, ledger: Ledger, validate: Validate) -> None:
        self._ledger, self._validate = ledger, validate
        self._threads = ThreadPoolExecutor(COMMIT_THREADS)
        self._begun: dict[Future[bool], tuple[ShardTask, Attempt, int]] = {}

    def __enter__(self) -> Commits:
        return self

    def __exit__(self, *error: object) -> None:
        """Waits for the running commits."""
        self._threads.shutdown(cancel_futures=True)

    def begin(self, task: ShardTask, attempt: Attempt, planned: Sequence[str]) -> None:
        """Starts to commit an attempt at a shard with the planned query ids."""
        begun = self._threads.submit(self._ledger.commit, attempt, planned, self._validate)
        self._begun[begun] = task, attempt, len(planned)

    def told(self, at_most: int) -> list[Told]:
        """Returns the finished commits.

        Args:
            at_most: Wait until no more than this many commits are running.

        Raises:
            RankgenError: `Ledger.commit` raised it.
        """
        done = {begun for begun in self._begun if begun.done()}
        while len(self._begun) - len(done) > at_most:
            done |= wait(self._begun.keys() - done, return_when=FIRST_COMPLETED).done
        return [Told(*self._begun.pop(begun), begun.result()) for begun in done]


@dataclass(frozen=True)
class Filling:
    """Fills tasks in a pool and commits the attempts."""

    pool: Pool
    commits: Commits
    of_shard: Callable[[int], Sequence[Query]]
    run: RunDirectory
    events: EventLog

    def fill(
        self, tasks: Sequence[ShardTask], shown: Progress | None, *, defers: bool
    ) -> SecondTry:
        """Fills and commits the tasks; returns the queries that failed.

        Args:
            tasks: The tasks to do.
            shown: The progress bar of the first try; None for the second.
            defers: Whether to leave a shard in which every query failed for a second try.

        Raises:
            RankgenError: See `Pool.attempts` and `Ledger.commit`.
        """
        failed = SecondTry()
        waiting = list(tasks)
        while waiting:
            for made in self.pool.attempts(waiting):
                if made is not None:
                    self._take(*made, failed if defers else None, shown)
                for task in self._following(COMMIT_THREADS, failed, shown):
                    self.pool.add(task)
            # The last commits end after the last attempt, and may be followed by more tasks.
            waiting = self._following(0, failed, shown)
        return failed

    def _take(
        self,
        task: ShardTask,
        attempt: Attempt | None,
        deferred: SecondTry | None,
        shown: Progress | None,
    ) -> None:
        if attempt is None:
            self.events.write("committed elsewhere", shard=task.shard)
            if shown is not None:
                shown.advance(len(task.queries))
        elif deferred is not None and deferred.defers(task, attempt):
            self.events.write("nothing filled", shard=task.shard)
            remove_tree(self.run.attempts / attempt.name)
        else:
            planned = [query.query_id for query in self.of_shard(task.shard)]
            self.commits.begin(task, attempt, planned)

    def _following(
        self, at_most: int, failed: SecondTry, shown: Progress | None
    ) -> list[ShardTask]:
        """Records the finished commits; returns the tasks that follow. See `Commits.told`."""
        after = []
        for task, attempt, planned, won in self.commits.told(at_most):
            counts = {"queries": planned, "failed": len(attempt.quarantined)}
            self.events.write("commit" if won else "lost race", shard=task.shard, **counts)
            if won:
                failed.note(task, attempt)
            if shown is not None:
                shown.advance(len(task.queries))
                if attempt.quarantined:
                    shown.note(f"{len(attempt.quarantined)} quarantined in shard {task.shard}")
            after.append(task.next(attempt.quarantined))
        return [task for task in after if task is not None]
