"""The cost of a label run: what it has cost so far, and its cap."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow.compute as pc

from rankgen.generator.answers.outcomes import NO_TOKENS, TokenUsage
from rankgen.generator.engines.cost.prices import Prices, prices_of
from rankgen.generator.engines.cost.purse import CostCap, CostCapReached
from rankgen.generator.engines.cost.till import Till
from rankgen.generator.shards.drivers import other_driver
from rankgen.generator.teachers.journal import journalled_calls
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory, read_shard


class Asked(NamedTuple):
    """What a run has asked for so far: its answered windows, and the tokens of all calls."""

    windows: int = 0
    tokens: TokenUsage = NO_TOKENS


def asked_so_far(run: RunDirectory) -> Asked:
    """Returns the windows and tokens of all calls in a run's journals and committed windows.

    Calls that were in flight when a process was killed are in neither.
    """
    if not run.plan.exists():
        return Asked()
    shards = read_plan(run).shards
    parts = [_asked_of_shard(run, shard, shards) for shard in range(shards)]
    return Asked(
        sum(part.windows for part in parts), sum((part.tokens for part in parts), NO_TOKENS)
    )


def _asked_of_shard(run: RunDirectory, shard: int, shards: int) -> Asked:
    # The journal has every call of a shard, committed or not, until the run is finished.
    folder, published = run.journal_of(shard), run.shard_path("windows", shard, shards)
    if any(folder.glob("*.jsonl")):
        return Asked(*journalled_calls(folder))
    if not published.exists():
        return Asked()
    calls = read_shard(published, "windows")
    prompt, output = (pc.sum(calls[f"{x}_tokens"]).as_py() or 0 for x in ("prompt", "output"))
    return Asked(
        calls.num_rows - calls["permutation"].null_count, TokenUsage(int(prompt), int(output))
    )


class CostOfRun:
    """The cap on a run's cost, for one driver.

    Args:
        run: The run.
        teacher: Resolved settings.
        beside: Runs whose calls count against the cap too.
    """

    def __init__(
        self, run: RunDirectory, teacher: LabelSettings, beside: Sequence[RunDirectory] = ()
    ) -> None:
        self._run, self._beside = run, beside
        self._most = teacher.max_cost
        self._prices = prices_of(teacher)
        self._name = f"rankgen-till-{uuid.uuid4().hex}"
        # Kept, as Ray ends an actor whose handle is gone.
        self._till: object = None

    @property
    def cap(self) -> CostCap | None:
        """What workers need to know; None without a cap."""
        capped = self._capped()
        return None if capped is None else CostCap(capped[1], self._name)

    def open(self) -> None:
        """Starts the till, which lives as long as this driver; needs Ray.

        Raises:
            UsageError: Another driver works on the run and could spend beside this one.
        """
        capped = self._capped()
        if capped is None:
            return
        other = other_driver(self._run)
        if other is not None:
            raise UsageError(
                f"{other} works on {self._run.root} too, and --max-cost counts one command's calls",
                "repeat the command when the other one has ended, or leave out --max-cost",
            )
        import ray

        most, prices = capped
        paid = (self._run, *self._beside)
        spent = sum(prices.of(asked_so_far(run).tokens) for run in paid)
        self._till = ray.remote(Till).options(name=self._name, num_cpus=0).remote(most, spent)

    def told(self, reached: CostCapReached, windows: int) -> CostCapReached:
        """Returns the error with what is done and what is left.

        Args:
            reached: The worker's error.
            windows: The windows of the whole run.
        """
        done = asked_so_far(self._run).windows
        return CostCapReached(
            f"{reached.message}; {self._run.root} has answers to {done:,} of "
            f"{counted(windows, 'window')}",
            reached.hint,
        )

    def _capped(self) -> tuple[float, Prices] | None:
        if self._most is None or self._prices is None:
            return None
        return self._most, self._prices
