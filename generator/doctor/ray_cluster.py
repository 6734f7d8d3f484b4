"""Ray: its version, and the nodes of a cluster when one is named."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.generator.doctor.finding import Finding
from rankgen.generator.shards.cluster import ray_session, resources_of_nodes
from rankgen.manifests.errors import EnvironmentProblem


def ray_findings(address: str | None) -> list[Finding]:
    """Imports Ray; connects only where an address is given."""
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
            return found + judge_nodes(address, resources_of_nodes())
    except EnvironmentProblem as problem:
        return [*found, Finding("Ray cluster", "fail", problem.message, problem.hint or "")]


def judge_nodes(address: str, nodes: Mapping[str, Mapping[str, float]]) -> list[Finding]:
    """Says what each node has.

    Args:
        address: The cluster's address.
        nodes: Node -> what Ray counts there.
    """
    cpus = sum(int(node.get("CPU", 0)) for node in nodes.values())
    if not cpus:
        remedy = "add a node: ray start --address=…, without --num-cpus=0"
        return [Finding("Ray cluster", "fail", f"{address} has no CPUs for workers", remedy)]
    total = Finding("Ray cluster", "ok", f"{address}, {len(nodes)} nodes")
    return [
        total,
        *(
            Finding(
                f"node {name}",
                "ok",
                f"{int(node.get('CPU', 0))} CPUs, {int(node.get('GPU', 0))} GPUs",
            )
            for name, node in nodes.items()
        ),
    ]
