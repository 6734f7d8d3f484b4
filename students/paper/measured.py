"""What was measured for a table of the paper: values per query, from runs or from evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rankgen.manifests.errors import UsageError

MEASURE = "nDCG@10"
# Query id -> nDCG@10.
PerQuery = Mapping[str, float]


@dataclass
class Measured:
    """Values of systems on tasks, and what a reader must know of them.

    Attributes:
        values: system -> task -> query id -> nDCG@10.
        notes: One sentence each.
        foreign: Sentences on cells that stay empty because a run is on other queries.
    """

    values: dict[str, dict[str, PerQuery]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def add(self, system: str, task: str, values: PerQuery) -> None:
        """Adds a system's values on a task.

        Raises:
            UsageError: They are there already, or other systems were measured on other queries.
        """
        if task in self.values.get(system, {}):
            raise UsageError(
                f"'{system}' has two sources for {task}", "leave one of them out: --run, --row"
            )
        for other, of_task in self.values.items():
            if task in of_task and of_task[task].keys() != values.keys():
                raise UsageError(
                    f"{task}: '{system}' was measured on {len(values):,} queries, '{other}' on "
                    f"{len(of_task[task]):,} others",
                    "use the same judgements for both: --qrels",
                )
        self.values.setdefault(system, {})[task] = values

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks with a value."""
        return frozenset(task for of_task in self.values.values() for task in of_task)
