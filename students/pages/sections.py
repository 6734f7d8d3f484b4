"""Everything that a page says of its runs besides their single queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rankgen.manifests.trec import Qrels
from rankgen.students.agreement.compare import figures_of
from rankgen.students.pages.agreeing import Agreeing, agreeing
from rankgen.students.pages.displacement import Displacement, displacement_of
from rankgen.students.pages.judged import Judged, judged
from rankgen.students.pages.opened_run import OpenedRun
from rankgen.students.pages.outcomes import Outcomes, outcomes_of
from rankgen.students.pages.overview import Overview, overview_of
from rankgen.students.pages.pair_coverage import SeenPairs, seen_pairs
from rankgen.students.pages.score_shape import ScoreShape, score_shape


@dataclass(frozen=True)
class RunSections:
    """What a page says of one run; None where the run has nothing of the kind."""

    overview: Overview
    outcomes: Outcomes | None
    displacement: Displacement | None
    pairs: SeenPairs | None
    scores: ScoreShape | None
    judged: Judged | None
    gains: Mapping[str, float]

    def charts(self) -> dict[str, object]:
        """Returns what the page's charts draw, as JSON values."""
        return {
            "name": self.overview.name,
            "outcomes": self.outcomes,
            "displacement": self.displacement,
            "pairs": None if self.pairs is None else self.pairs.cells,
            "scores": self.scores,
            "judged": self.judged,
        }


@dataclass(frozen=True)
class Sections:
    """What a page says of all its runs."""

    runs: tuple[RunSections, ...]
    agreeing: Agreeing | None

    @property
    def has_tokens(self) -> bool:
        """Tells whether any teacher read tokens."""
        return any(run.overview.cost.prompt_tokens for run in self.runs)

    @property
    def has_prices(self) -> bool:
        """Tells whether any run was told what its tokens cost."""
        return any(run.overview.cost.money is not None for run in self.runs)

    @property
    def facts(self) -> list[tuple[str, list[str]]]:
        """Recipes, provenance and software: a name, and its value for each run, or ""."""
        shown = [run.overview for run in self.runs]
        held = [dict(one.recipe + one.provenance + one.software) for one in shown]
        names = dict.fromkeys(name for one in held for name in one)
        return [(name, [one.get(name, "") for one in held]) for name in names]

    def charts(self) -> dict[str, object]:
        """Returns what the page's charts draw, as JSON values."""
        pairs = [] if self.agreeing is None else [asdict(pair) for pair in self.agreeing.pairs]
        return {"runs": [run.charts() for run in self.runs], "agreement": pairs}


def sections_of(runs: Sequence[OpenedRun], qrels: Qrels | None) -> Sections:
    """Computes every section.

    Raises:
        IntegrityProblem: A run is damaged.
    """
    return Sections(tuple(_of_run(run, qrels) for run in runs), agreeing(runs))


def _of_run(run: OpenedRun, qrels: Qrels | None) -> RunSections:
    pairs = seen_pairs(run)
    figures = figures_of(run.name, run.directory, pairs and pairs.coverage)
    compared = None if qrels is None else judged(run, qrels)
    return RunSections(
        overview=overview_of(run, figures),
        outcomes=outcomes_of(run),
        displacement=displacement_of(run),
        pairs=pairs,
        scores=score_shape(run),
        judged=None if compared is None else compared[0],
        gains={} if compared is None else compared[1],
    )
