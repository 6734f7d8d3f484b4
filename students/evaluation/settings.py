"""The settings of one evaluation, frozen, and written into its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath
from rankgen.retrieval.collections.judgements import MaybeJudgements
from rankgen.students.hardware_settings import HardwareSettings
from rankgen.students.suites.settings import SuiteChoice


class StatisticsSettings(Settings):
    """How sure the figures are."""

    panel = "Statistics"
    bootstrap_samples: Annotated[
        int, Field(ge=100), Option("Resamples for the 95 % intervals of the means.")
    ] = 2000
    randomisation_samples: Annotated[
        int, Field(ge=100), Option("Sign patterns of the randomisation tests.")
    ] = 10_000
    seed: Annotated[NonNegativeInt, Option("Random seed of resamples and tests.")] = 0


class EvaluationSettings(LongDocumentSettings, HardwareSettings, StatisticsSettings, SuiteChoice):
    """What is measured on what."""

    out: Annotated[Path, Option("Folder of the report.", metavar="FOLDER")]
    qrels: MaybeJudgements = None
    candidates: Annotated[
        RunPath | None,
        Option(
            "A retrieve run; its order is a system, and students re-rank it.",
            metavar=SOURCE_METAVAR,
        ),
    ] = None
    students: Annotated[
        tuple[str, ...],
        Option(
            "A student or any public re-ranker that scores pairs; repeatable.",
            metavar="FOLDER|ID",
            flags=("--student", "--students"),
        ),
    ] = ()
    rankings: Annotated[
        tuple[RunPath, ...],
        Option("A label run, whose order is a system; repeatable.", metavar=SOURCE_METAVAR),
    ] = ()
    runs: Annotated[
        tuple[Path, ...],
        Option("A TREC run; repeatable.", metavar="FILE", flags=("--run", "--runs")),
    ] = ()
    measures: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        Option(
            "Any measure of ir_measures; repeatable.",
            "nDCG@10",
            metavar="MEASURE",
            flags=("--measure", "--measures"),
        ),
    ] = ("nDCG@10",)
    queries: Annotated[
        Literal["qrels", "candidates"],
        Option(
            "Queries to average over: qrels counts every judged query, as trec_eval -c does; "
            "candidates only those that have candidates."
        ),
    ] = "qrels"
    compare: Annotated[
        Literal["all", "first"],
        Option("all: test every pair of systems; first: test each system against the first."),
    ] = "all"
    depth: Annotated[
        PositiveInt | None,
        Option("Candidates that a student re-ranks per query; the rest keep their order.", "all"),
    ] = None
    cost: Annotated[bool, Option("Also time each student on queries of 100 passages.")] = False

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.suite is not None:
            return self._fits_a_suite()
        if self.tasks:
            raise ValueError("tasks are parts of a suite: add --suite")
        if self.qrels is None:
            raise ValueError("there is nothing to measure by: add --qrels, or --suite")
        if self.candidates is None and (self.students or self.queries == "candidates"):
            raise ValueError("students re-rank candidates: add --candidates")
        if self.candidates is None and not (self.runs or self.rankings):
            raise ValueError("there is nothing to evaluate: add --run, --candidates or --rankings")
        return self

    def _fits_a_suite(self) -> Self:
        own = (self.qrels, self.candidates, *self.rankings, *self.runs)
        if any(one is not None for one in own):
            raise ValueError(
                "a suite has its own queries: leave out what --suite cannot have, "
                "--qrels, --candidates, --rankings and --run"
            )
        if not self.students:
            raise ValueError("a suite evaluates students: add --student")
        return self

    @property
    def judgements(self) -> Path:
        """The judgements of an evaluation that is no suite's."""
        if self.qrels is None:
            raise ValueError("a suite has judgements for each task")
        return self.qrels
