"""A choice that depends on the machine, settled once for a whole run and all its workers.

A word such as "auto" would mean one thing to one worker and another to the next, and their results
would stand in one run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rankgen.generator.shards.cluster import ray_session, total_gpus
from rankgen.generator.shards.worker_errors import own_error, surprise
from rankgen.manifests.notices import warn
from rankgen.manifests.run.plan import read_plan, refuse_foreign_folder
from rankgen.manifests.run.run_directory import RunDirectory

AUTO = "auto"
# From what was asked for to what it comes to on the machine where it is called, and a warning.
Settle = Callable[[str], tuple[str, str | None]]


@contextlib.contextmanager
def settled(
    run: RunDirectory,
    key: str,
    asked: str,
    settle: Settle,
    *,
    may_use_gpus: bool,
    ray_address: str | None,
) -> Iterator[str]:
    """Yields what a choice comes to: what the run was begun with, else what a worker says.

    The Ray session in which the worker was asked stays open for the block.

    Args:
        run: The run that is about to start or to resume.
        key: The choice's name in the run's recipe.
        asked: The user's choice; "auto" leaves it to the run and the worker.
        settle: Called in a worker's process; pickled.
        may_use_gpus: Whether the workers take a GPU where the cluster has any.
        ray_address: A cluster, or None for this machine.

    Raises:
        UsageError: The folder is no run.
        RankgenError: What `settle` raised.
    """
    refuse_foreign_folder(run)
    recorded = read_plan(run).recipe.get(key) if run.plan.exists() else None
    wanted = recorded if asked == AUTO and isinstance(recorded, str) else asked
    if run.manifest.exists():
        # Nothing more is computed; finished runs of old kept the word.
        yield wanted
        return
    with ray_session(ray_address):
        value, warning = asked_of_a_worker(settle, wanted, may_use_gpus)
        if warning is not None:
            warn(warning)
        yield value


def asked_of_a_worker(settle: Settle, asked: str, may_use_gpus: bool) -> tuple[str, str | None]:
    """Returns what a choice comes to in a worker's process, and a warning; needs a Ray session.

    Raises:
        RankgenError: What `settle` raised.
    """
    import ray

    gpus = 1.0 if may_use_gpus and total_gpus() else 0.0
    answer = ray.remote(_answer).options(num_gpus=gpus).remote(settle, asked)
    try:
        return ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        raise own_error(error) or surprise("a worker could not start", error) from error


def _answer(settle: Settle, asked: str) -> tuple[str, str | None]:
    return settle(asked)
