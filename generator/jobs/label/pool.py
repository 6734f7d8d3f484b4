"""How many label workers there are, and what each reserves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.cluster import cpus_of_nodes
from rankgen.generator.shards.nodes import Node, living_nodes
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.teachers.settings import LabelSettings

# With more threads an embedder would wait for the interpreter's lock.
_EMBEDDING_CPUS = 8
_ENGINE_GAP_SECONDS = 3.0
# Of a worker with vLLM, until it says how many its engine holds.
USUAL_CHAINS = 256


def size_pool(settings: LabelRunSettings, teacher: LabelSettings, in_flight: int) -> PoolSettings:
    """Sizes the pool: engines use GPUs (or whole nodes), scorers many CPUs, others one CPU."""
    preset = teacher.preset
    pool = PoolSettings(chains=in_flight, stall_seconds=settings.stall_seconds)
    gpus = sum(int(node.gpus) for node in living_nodes())
    scores_here = teacher.engine is None and preset.kind in ("embedding", "pointwise", "pairwise")
    if gpus and preset.is_peer and teacher.base_url is None:
        return _on_gpus(pool, living_nodes(), settings.workers, teacher)
    if scores_here and gpus and preset.kind != "embedding":
        return replace(pool, workers=settings.workers or gpus, gpus=1.0)
    if scores_here:
        # Threads of one worker share embeddings; workers do not.
        counts = cpus_of_nodes()
        cpus = min(_EMBEDDING_CPUS, *counts, max(1, sum(counts) // (settings.workers or 1)))
        workers = settings.workers or sum(count // cpus for count in counts)
        return replace(pool, workers=workers, cpus=cpus)
    if teacher.api == "batch":
        # A batch may take a day.
        return replace(pool, workers=settings.workers or 1, stall_seconds=None)
    if teacher.engine != "vllm":
        return replace(pool, workers=settings.workers or 1)
    nodes = living_nodes()
    if any(node.gpus for node in nodes):
        return _on_gpus(pool, nodes, settings.workers, teacher)
    workers = settings.workers or 1
    share = sum(node.cpus for node in nodes) / workers
    return replace(pool, workers=workers, cpus=max(1.0, min(share, *(n.cpus for n in nodes))))


def _on_gpus(
    pool: PoolSettings, nodes: Sequence[Node], asked: int | None, teacher: LabelSettings
) -> PoolSettings:
    """Gives each engine its GPUs, all on one node, or its part of one."""
    together, shared = teacher.tensor_parallel, teacher.engines_per_gpu
    workers = asked or max(1, shared * sum(int(node.gpus) // together for node in nodes))
    return replace(
        pool,
        workers=workers,
        # Ray counts parts of a GPU to four digits, and all parts must fit.
        gpus=float(together) if shared == 1 else math.floor(10_000 / shared) / 10_000,
        start_gap_seconds=_ENGINE_GAP_SECONDS if workers > 1 else 0.0,
        # An engine measures the GPU's free memory while it starts.
        one_start_at_a_time=shared > 1,
    )
