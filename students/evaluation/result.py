"""The result of an evaluation; its JSON form is a contract."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from rankgen.students.evaluation.cost import Cost
from rankgen.students.evaluation.significance import PairedTest

Kind = Literal["run", "first-stage", "teacher", "student"]


class SystemResult(BaseModel):
    """One row of the table.

    Attributes:
        name: Unique in the evaluation.
        measures: Mean over the queries by measure.
        intervals: 95 % bootstrap interval of each mean; None where there is a single query.
        missing_queries: Judged queries for which the system has no list; they count 0.
        source: The file, folder or model id it came from.
        cost: What a student costs; None for other systems, or without `--cost`.
        beyond_first_stage: Lists with passages that the evaluation's first stage did not return;
            evaluations of earlier versions did not count them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    measures: dict[str, float]
    intervals: dict[str, tuple[float, float] | None]
    missing_queries: int
    source: str
    cost: Cost | None = None
    beyond_first_stage: int = 0


class Evaluation(BaseModel):
    """The systems, the tests between them, and the settings.

    Attributes:
        systems: In the order of the table: first stage, runs, teachers, students.
        tests: Paired tests between systems.
        queries: Number of queries in every mean.
        query_ids: Those queries, sorted.
        per_query: system name -> measure -> a value for each query, in the order of `query_ids`.
        settings: The settings as JSON values.
        software: Versions of the packages that can change a figure.
        notices: What a reader must know beside the figures, one sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    systems: tuple[SystemResult, ...]
    tests: tuple[PairedTest, ...]
    queries: int
    query_ids: tuple[str, ...]
    per_query: dict[str, dict[str, tuple[float, ...]]]
    settings: dict[str, JsonValue]
    software: dict[str, str]
    notices: tuple[str, ...] = ()

    @property
    def best(self) -> dict[str, float]:
        """The highest mean of each measure, in the order of the measures."""
        return {m: max(s.measures[m] for s in self.systems) for m in self.systems[0].measures}

    def as_json(self) -> dict[str, JsonValue]:
        """Returns the published form: everything but the values per query, which are in a CSV."""
        form: dict[str, JsonValue] = self.model_dump(
            mode="json", exclude={"per_query", "query_ids"}
        )
        return form
