"""Resolves a choice that depends on the machine, once for a whole run.

Otherwise "auto" could mean different things to different workers of one run.
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
# Maps a choice to the value on the machine where it is called, and a warning.
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
    """Yields the resolved value: the one in the run's recipe, else the one that a worker returns.

    The Ray session of that worker stays open in the block.

    Args:
        run: The run that is about to start or resume.
        key: The choice's name in the run's recipe.
        asked: The user's choice; "auto" leaves it to the run and the worker.
        settle: Called in a worker process; pickled.
        may_use_gpus: Whether workers use a GPU if the cluster has any.
        ray_address: A cluster, or None for this machine.

    Raises:
        UsageError: The folder is not a run.
        RankgenError: `settle` raised it.
    """
    refuse_foreign_folder(run)
    recorded = read_plan(run).recipe.get(key) if run.plan.exists() else None
    wanted = recorded if asked == AUTO and isinstance(recorded, str) else asked
    if run.manifest.exists():
        # Nothing is left to compute; old finished runs may have "auto" in their recipe.
        yield wanted
        return
    with ray_session(ray_address):
        value, warning = asked_of_a_worker(settle, wanted, may_use_gpus)
        if warning is not None:
            warn(warning)
        yield value


def asked_of_a_worker(settle: Settle, asked: str, may_use_gpus: bool) -> tuple[str, str | None]:
    """Asks a worker which value a choice resolves to; returns it and a warning.

    Needs a Ray session.

    Raises:
        RankgenError: `settle` raised it.
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
