"""A table of the paper with one's own figures; its JSON form is a contract."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from rankgen.students.paper.comparisons import Comparison

Means = dict[str, float]


class Reproduction(BaseModel):
    """A table of the paper with your figures.

    Attributes:
        name: table1, table2 or figure1.
        columns: Column heads from left to right.
        paper: System -> the paper's figures.
        paper_means: System -> means over the columns, printed and recomputed.
        ours: System -> your figures; None where something is missing.
        our_means: System -> means over the columns that your figures fill.
        reference: Which of your systems the others are tested against; None without tests.
        margin: Difference of nDCG@10 from which on a system counts as worse than the reference.
        comparisons: Your other systems against the reference, column by column.
        queries: Task -> number of judged queries.
        missing: What the empty cells need, one sentence per task.
        notes: Notes that a reader needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str
    columns: tuple[str, ...]
    paper: dict[str, tuple[float, ...]]
    paper_means: dict[str, Means]
    ours: dict[str, tuple[float | None, ...]]
    our_means: dict[str, Means]
    reference: str | None = None
    margin: float
    comparisons: tuple[Comparison, ...] = ()
    queries: dict[str, int] = {}
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, JsonValue]:
        """Returns the table as JSON values."""
        values: dict[str, JsonValue] = self.model_dump(mode="json")
        return values

    def marks(self, system: str, column: str) -> str:
        """Returns the marks behind one of your figures."""
        for found in self.comparisons:
            if (found.test.b, found.column) == (system, column):
                return found.marks
        return ""

    @property
    def rows(self) -> tuple[str, ...]:
        """The paper's systems in its order, then yours that it lacks."""
        return tuple(dict.fromkeys([*self.paper, *self.ours]))
