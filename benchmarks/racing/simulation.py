"""Simulates a whole labelling: so many engines, and who feeds them."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Literal

from racing.feeding import AllAtOnce, Chains, LockStep, Plan, Queue, Work, Worker
from racing.simulated import EngineShape

Policy = Literal["chains", "lock-step", "queue of 32", "all at once"]


@dataclass(frozen=True)
class Outcome:
    """How a simulation went.

    Attributes:
        seconds: From the first prompt to the last answer of any worker.
        windows_per_second: Of all workers together.
        busy: The share of the engines' time in which they worked.
        of_limit: The windows a second by those of engines whose batch is always full.
        tail_seconds: From the time when the last query was begun to the end.
    """

    seconds: float
    windows_per_second: float
    busy: float
    of_limit: float
    tail_seconds: float


def simulate(policy: Policy, shape: EngineShape, work: Work, workers: int, host: float) -> Outcome:
    """Simulates a labelling from the first prompt to the last answer."""
    plan = Plan(work)
    fed = list[Worker]()
    for number in range(workers):
        own = range(number, work.queries, workers)
        if policy == "chains":
            plan.workers.append(Chains(shape, work, host, plan))
            fed.append(plan.workers[-1])
        elif policy == "lock-step":
            fed.append(LockStep(shape, work, host, own))
        elif policy == "queue of 32":
            fed.append(Queue(shape, work, host, own))
        else:
            fed.append(AllAtOnce(shape, work, own))
    for worker in fed:
        worker.begin()
    if plan.workers:
        plan.feed(0.0)
    # In order of time, because workers share one plan.
    due = [(worker.engine.next_time, number) for number, worker in enumerate(fed)]
    heapq.heapify(due)
    while due:
        _, number = heapq.heappop(due)
        engine = fed[number].engine
        if engine.next_time < math.inf:
            engine.work()
            heapq.heappush(due, (engine.next_time, number))
    seconds = max(worker.ended for worker in fed)
    windows = work.queries * work.windows
    return Outcome(
        seconds=seconds,
        windows_per_second=windows / seconds,
        busy=sum(worker.engine.busy for worker in fed) / (workers * seconds),
        of_limit=windows / seconds / (workers * shape.limit(work.prompt, work.answer)),
        tail_seconds=seconds - max(worker.last_begun for worker in fed),
    )
