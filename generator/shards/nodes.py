"""The nodes that have room for a worker, and those to avoid after a failed start."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rankgen.manifests.errors import EnvironmentProblem

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
LAST_MOMENTS_SECONDS, LOOK_SECONDS = 3.0, 0.25
NODE_LABEL = "ray.io/node-id"


@dataclass(frozen=True)
class Node:
    """A living node of the connected cluster.

    Attributes:
        node_id: Ray's id.
        name: Its address.
        cpus: CPUs that Ray offers there; in a container, fewer than the machine has.
        gpus: GPUs that Ray offers there.
        place: Its host, address and port, such as "gpu1 (10.0.0.1:6379)".
    """

    node_id: str
    name: str
    cpus: float
    gpus: float
    place: str = ""

    def holds(self, cpus: float, gpus: float) -> bool:
        """Says whether the node has room for a worker if nothing else runs there."""
        return self.cpus >= cpus and self.gpus >= gpus


def living_nodes() -> list[Node]:
    """Returns the living nodes of the connected cluster."""
    import ray

    # Ray ships types, but not for this call.
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    found = []
    for node in nodes:
        address, held = node["NodeManagerAddress"], node["Resources"]
        place = f"{node['NodeManagerHostname']} ({address}:{node['NodeManagerPort']})"
        cpus, gpus = held.get("CPU", 0.0), held.get("GPU", 0.0)
        found.append(Node(node["NodeID"], address, cpus, gpus, place))
    return found


def is_lost(node_id: str | None) -> bool:
    """Says whether a worker died because its node was lost.

    Ray notices the death of a worker some moments before that of its node, so this waits a few
    seconds. The driver's own node is never lost.
    """
    import ray

    if node_id is None or node_id == ray.get_runtime_context().get_node_id():
        return False
    for _ in range(round(LAST_MOMENTS_SECONDS / LOOK_SECONDS)):
        if node_id not in {node.node_id for node in living_nodes()}:
            return True
        time.sleep(LOOK_SECONDS)
    return False


def refuse_what_no_node_holds(nodes: Sequence[Node], cpus: float, gpus: float) -> None:
    """Checks that some node has room for a worker; Ray would wait forever.

    Raises:
        EnvironmentProblem: No node has enough CPUs and GPUs.
    """
    if any(node.holds(cpus, gpus) for node in nodes):
        return
    held = ", ".join(f"{node.name} has {amounts(node.cpus, node.gpus)}" for node in nodes)
    wanted = amounts(cpus, gpus)
    raise EnvironmentProblem(
        f"a worker needs {wanted}, which no node of the Ray cluster has ({held})",
        "ask for less per worker, or start a larger node with `ray start`",
    )


def amounts(cpus: float, gpus: float) -> str:
    """Returns resources in words, such as "2 GPUs and 1 CPU"."""
    named = [(gpus, "GPU"), (cpus, "CPU")]
    parts = [f"{count:g} {unit}{'' if count == 1 else 's'}" for count, unit in named if count]
    return " and ".join(parts) or "nothing"


class NodesAside:
    """Nodes where a worker could not start; each is avoided for longer every time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[str, float] = {}
        self._pause: dict[str, float] = {}

    def set_aside(self, node_id: str) -> float:
        """Avoids a node for a while; returns for how many seconds."""
        pause = min(self._pause.get(node_id, FIRST_PAUSE_SECONDS / 2) * 2, LONGEST_PAUSE_SECONDS)
        self._pause[node_id] = pause
        self._until[node_id] = self._now() + pause
        return pause

    def forgive(self, node_id: str) -> None:
        """Forgets the failures of a node where a worker has started."""
        self._until.pop(node_id, None)
        self._pause.pop(node_id, None)

    def ids(self) -> list[str]:
        """Returns the nodes to avoid now."""
        now = self._now()
        return sorted(node_id for node_id, until in self._until.items() if until > now)


def full_nodes(held: Iterable[str | None], most: int) -> list[str]:
    """Returns Ray's ids of the nodes that have the maximum number of workers.

    Args:
        held: The node of each worker, if known.
        most: Maximum number of workers on a node.
    """
    counts = Counter(node_id for node_id in held if node_id is not None)
    return sorted(node_id for node_id, count in counts.items() if count >= most)


def avoiding(node_ids: Sequence[str]) -> dict[str, str] | None:
    """Returns Ray's label selector for all nodes but these; None for all nodes."""
    return {NODE_LABEL: f"!in({','.join(node_ids)})"} if node_ids else None
