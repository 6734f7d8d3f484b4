"""Ray: its version, and the nodes of a cluster if an address is given."""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.generator.doctor.finding import Finding
from rankgen.generator.shards.cluster import ray_session
from rankgen.generator.shards.nodes import Node, living_nodes
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import EnvironmentProblem


def ray_findings(address: str | None) -> list[Finding]:
    """Imports Ray; connects only if an address is given."""
    try:
        import ray
    except ImportError as error:
        remedy = 'pip install "ray[default]>=2.60"'
        return [Finding("Ray", "fail", f"cannot be imported: {error}", remedy)]
    found = [Finding("Ray", "ok", f"{ray.__version__}, imports")]
    if address is None:
        return found
    try:
        with ray_session(address):
            return found + judge_nodes(address, living_nodes())
    except EnvironmentProblem as problem:
        return [*found, Finding("Ray cluster", "fail", problem.message, problem.hint or "")]


def judge_nodes(address: str, nodes: Sequence[Node]) -> list[Finding]:
    """Lists the CPUs and GPUs of each node; fails where there are no CPUs at all."""
    if not sum(int(node.cpus) for node in nodes):
        remedy = "add a node: ray start --address=…, without --num-cpus=0"
        return [Finding("Ray cluster", "fail", f"{address} has no CPUs for workers", remedy)]
    return [
        Finding("Ray cluster", "ok", f"{address}, {len(nodes)} nodes"),
        *(
            Finding(
                f"node {n.place}",
                "ok",
                f"{counted(int(n.cpus), 'CPU')}, {counted(int(n.gpus), 'GPU')}",
            )
            for n in nodes
        ),
    ]
