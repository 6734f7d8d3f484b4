"""What a label worker reserves: an engine its GPUs, on nodes that have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankgen.generator.jobs.label import pool as label_module
from rankgen.generator.jobs.label.pool import size_pool
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.nodes import Node
from rankgen.generator.teachers.settings import LabelSettings

GPU_NODES = [
    Node("a", "10.0.0.1", 16, 3),
    Node("b", "10.0.0.2", 16, 4),
    Node("c", "10.0.0.3", 8, 0),
]


@pytest.mark.parametrize(
    ("nodes", "more", "expected"),
    [
        (GPU_NODES, {}, (7, 1.0)),
        # The GPUs that share a model stand in one node: three of four pairs fit.
        (GPU_NODES, {"tensor_parallel": 2}, (3, 2.0)),
        (GPU_NODES, {"tensor_parallel": 4}, (1, 4.0)),
        # More than any node has: asked for, and refused when the pool starts.
        (GPU_NODES, {"tensor_parallel": 8}, (1, 8.0)),
        (GPU_NODES[2:], {}, (1, 0.0)),
        (GPU_NODES, {"engines_per_gpu": 2}, (14, 0.5)),
        # Three thirds are not more than one.
        (GPU_NODES, {"engines_per_gpu": 3}, (21, 0.3333)),
    ],
)
def test_an_engine_reserves_its_gpus(
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[Node],
    more: dict[str, int],
    expected: tuple[int, float],
) -> None:
    monkeypatch.setattr(label_module, "living_nodes", lambda: nodes)
    teacher = LabelSettings.model_validate({"teacher": "rankzephyr", **more}).resolved()
    settings = LabelRunSettings(candidates=Path("c"), teacher=teacher, out=Path("o"))
    pool = size_pool(settings, teacher, 256)
    assert (pool.workers, pool.gpus) == expected
    assert any(node.cpus >= pool.cpus for node in nodes)
    assert pool.chains == 256
    assert pool.one_start_at_a_time == (teacher.engines_per_gpu > 1)
