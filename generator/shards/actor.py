"""Makes the Ray actors of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rankgen.generator.shards.nodes import avoiding
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.work import WorkFactory
from rankgen.generator.shards.worker import ShardWorker
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.store_probe import StoreToken

if TYPE_CHECKING:
    from ray.actor import ActorHandle


def make_actor(
    root: Path,
    plan: Plan,
    factory: WorkFactory,
    token: StoreToken,
    settings: PoolSettings,
    avoided: Sequence[str],
) -> ActorHandle[ShardWorker]:
    """Returns a fresh, unnamed `ShardWorker` actor; Ray restarts nothing of it, the pool does.

    Args:
        root: The run's folder, as every node sees it.
        plan: The run's plan.
        factory: Makes the work; pickled.
        token: What the driver left in the run's store.
        settings: What the actor reserves.
        avoided: Nodes that are left alone for a while, by Ray's ids.
    """
    import ray

    # Ray gives an actor all its GPUs at one moment and on one node, or none of them yet, so that a
    # placement group would reserve nothing more. It would do harm: inside one, vLLM starts Ray
    # actors for the parts of a model, which would ask for the GPUs that this one holds.
    actor = ray.remote(ShardWorker).options(
        num_cpus=settings.cpus,
        num_gpus=settings.gpus,
        max_restarts=0,
        max_task_retries=0,
        # Beside its tasks it answers how it gets on.
        max_concurrency=settings.most_tasks + 2,
        label_selector=avoiding(avoided),
    )
    handle = actor.remote(root, plan.fingerprint, plan.shards, factory, token)
    return cast("ActorHandle[ShardWorker]", handle)
