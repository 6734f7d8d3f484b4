"""Creates the Ray actors of a pool."""

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
    """Returns a new, unnamed `ShardWorker` actor; the pool restarts it, not Ray."""
    import ray

    # No placement group: Ray gives an actor all its GPUs at once, on one node, as it would give a
    # strictly packed group of one bundle, and takes them back when the actor dies. Inside a
    # group, vLLM would start Ray actors for the parts of a model, which would ask for these GPUs.
    actor = ray.remote(ShardWorker).options(
        num_cpus=settings.cpus,
        num_gpus=settings.gpus,
        max_restarts=0,
        max_task_retries=0,
        # Beside its tasks, it answers questions about its progress.
        max_concurrency=settings.most_tasks + 2,
        label_selector=avoiding(avoided),
    )
    handle = actor.remote(root, plan.fingerprint, plan.shards, factory, token)
    return cast("ActorHandle[ShardWorker]", handle)
