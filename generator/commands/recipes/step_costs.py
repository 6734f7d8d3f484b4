"""What the steps of a recipe cost, from their settings alone, before anything is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rankgen.generator.api.ablation.settings import AblateOptions, grid_parts
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.api.training_cost import SCORING_SPEED
from rankgen.generator.commands.options import ASSUMED_TOKENS_PER_SECOND
from rankgen.generator.commands.recipes.spent import HOUR, Spent, published_lists
from rankgen.generator.commands.recipes.training_costs import PAIR_TOKENS, training_cost
from rankgen.generator.commands.recipes.training_rates import TrainingRates
from rankgen.generator.jobs.imports.settings import ImportSettings
from rankgen.generator.jobs.label.settings import LabelOptions
from rankgen.generator.jobs.negatives.settings import NegativesSettings
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.generator.jobs.subsample.settings import SubsampleSettings
from rankgen.manifests.counted import counted
from rankgen.manifests.options import Settings
from rankgen.manifests.recipes.estimates import Lists, Rate
from rankgen.retrieval.collections.irds import IRDS_PREFIX, irds_query_count
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.paper.measured_ablation import cell_folder
from rankgen.students.training.settings import TrainSettings

# Counted on the top 100 of BM25 for the queries of TREC DL 2019: a prompt of RankZephyr for each
# passage in it, and its answer likewise.
PROMPT_TOKENS, OUTPUT_TOKENS = 109.0, 4.5
ASSUMED_LABELLING = Rate(ASSUMED_TOKENS_PER_SECOND, "assumed of one GPU, not measured")


@dataclass
class StepCosts:
    """Follows the lists from step to step.

    Attributes:
        rates: How fast students are trained.
        label_rate: How fast a teacher reads and writes.
        sizes: Folder of a step -> what it publishes, where its settings do not say it.
        published: Folder of a step -> its lists; steps of unknown size are not in it.
        spent: Folder of a step -> its GPU-hours; steps of unknown cost are not in it.
        cells: Folder of an ablation -> cell -> its GPU-hours.
    """

    rates: TrainingRates = field(default_factory=TrainingRates)
    label_rate: Rate = ASSUMED_LABELLING
    sizes: Mapping[str, Lists] = field(default_factory=dict)
    published: dict[str, Lists] = field(default_factory=dict)
    spent: dict[str, Spent] = field(default_factory=dict)
    cells: dict[str, dict[str, Spent]] = field(default_factory=dict)

    @property
    def label_hours(self) -> float:
        """GPU-hours of labelling so far."""
        return sum(spent.label for spent in self.spent.values())

    @property
    def train_hours(self) -> float:
        """GPU-hours of training so far, validations included."""
        return sum(spent.train for spent in self.spent.values())

    def of(self, settings: Settings) -> str | None:
        """Returns what a step costs, in a line; None where its settings do not say it."""
        match settings:
            case RetrieveOptions():
                return self._retrieve(settings)
            case NegativesSettings():
                return self._negatives(settings)
            case ImportSettings():
                return self._import(settings)
            case LabelOptions():
                return self._label(settings)
            case SubsampleSettings():
                return self._subsample(settings)
            case TrainOptions():
                return self._train(settings)
            case EvaluationSettings():
                return self._evaluate(settings)
            case AblateOptions():
                return self._ablate(settings)
        return None

    def hold(self, folder: Path) -> None:
        """Notes what a finished step has published, which is what it really holds."""
        lists = published_lists(folder)
        if lists is not None:
            self.published[str(folder)] = lists

    def _retrieve(self, settings: RetrieveOptions) -> str | None:
        queries = settings.sample
        if queries is None and settings.collection.startswith(IRDS_PREFIX):
            queries = irds_query_count(settings.collection.removeprefix(IRDS_PREFIX))
        if queries is None:
            return None
        found = self._publish(settings.out, Lists(queries, settings.depth))
        return (
            f"{counted(found.lists, 'query')} to search, {counted(found.passages, 'passage')} each"
        )

    def _negatives(self, settings: NegativesSettings) -> str | None:
        source = self._held(settings.candidates)
        if source is None:
            return None
        size = 1 + min(settings.count, source.passages)
        found = self._publish(settings.out, Lists(source.lists, size))
        return (
            f"at most {counted(found.lists, 'list')} of {counted(found.passages, 'passage')}; no "
            "GPU"
        )

    def _import(self, settings: ImportSettings) -> str | None:
        told = self.sizes.get(str(settings.out))
        if told is None:
            return None
        self._publish(Path(settings.out), told)
        return (
            f"some {counted(told.lists, 'list')} of {counted(told.passages, 'passage')}, as the "
            "recipe says; no GPU"
        )

    def _label(self, settings: LabelOptions) -> str | None:
        from rankgen.generator.strategies.windows import call_count

        source = self._held(settings.candidates)
        if source is None:
            return None
        self._publish(settings.out, source)
        teacher = settings.settings().teacher.resolved()
        window = min(teacher.window or source.passages, source.passages)
        calls = source.lists * call_count(
            source.passages, teacher.window, teacher.stride, teacher.passes
        )
        if not teacher.preset.asks_llm:
            self.spent[str(settings.out)] = Spent()
            return f"{counted(calls, 'window')}; no tokens are counted for this teacher"
        if teacher.preset.kind == "pairwise":
            # Each passage of a window is shown beside each other one, in both orders.
            calls, window = calls * window * (window - 1), 2
        prompt, output = calls * window * PROMPT_TOKENS, calls * window * OUTPUT_TOKENS
        hours = (prompt + output) / self.label_rate.tokens_per_second / HOUR
        self.spent[str(settings.out)] = Spent(label=hours)
        return (
            f"{counted(calls, 'call')}, about {_short(prompt)} prompt and {_short(output)} output "
            f"tokens, {hours:,.1f} GPU-hours"
        )

    def _subsample(self, settings: SubsampleSettings) -> str | None:
        source = self._held(settings.rankings)
        if source is None:
            return None
        queries, depth = settings.queries or source.lists, settings.depth or source.passages
        found = self._publish(settings.out, Lists(queries, min(depth, source.passages)))
        return (
            f"{counted(found.lists, 'list')} of {counted(found.passages, 'passage')}; no teacher, "
            "no GPU"
        )

    def _train(self, settings: TrainOptions) -> str | None:
        source = self._held(settings.rankings)
        if source is None:
            self.rates.remember(settings.out, settings.backbone)
            return None
        text, spent = self._trained(settings.training(), source)
        self.spent[str(settings.out)] = spent
        return text

    def _trained(self, settings: TrainSettings, source: Lists) -> tuple[str, Spent]:
        sets = [*settings.validation, *settings.validation_rankings]
        held = [lists for run in sets if (lists := self._held(run)) is not None]
        pairs = sum(
            min(lists.lists, settings.validation_queries or lists.lists)
            * min(lists.passages, settings.validation_depth or lists.passages)
            for lists in held
        )
        cost = training_cost(settings, source, pairs)
        hours = cost.trained / self.rates.of(settings, source.passages).tokens_per_second / HOUR
        return (
            f"{cost.text}; {_short(cost.tokens)} tokens, {hours:,.1f} GPU-hours",
            Spent(hours),
        )

    def _evaluate(self, settings: EvaluationSettings) -> str | None:
        source = None if settings.candidates is None else self._held(settings.candidates)
        if source is None:
            return None
        pairs = source.lists * min(source.passages, settings.depth or source.passages)
        pairs *= len(settings.students)
        self.spent[str(settings.out)] = Spent(score=self._scoring_hours(pairs))
        return f"{counted(pairs, 'pair')} to score"

    def _scoring_hours(self, pairs: int) -> float:
        rate = SCORING_SPEED * self.rates.scoring.tokens_per_second
        return pairs * PAIR_TOKENS / rate / HOUR

    def _ablate(self, settings: AblateOptions) -> str | None:
        named = dict(text.split("=", 1) for text in settings.rankings if "=" in text)
        sources = {name: self._held(Path(path)) for name, path in named.items()}
        tests = [text.partition("=")[2].partition(",")[0] for text in settings.candidates]
        judged = [self._held(Path(path)) for path in tests]
        scored = sum(lists.lists * lists.passages for lists in judged if lists is not None)
        cells: dict[str, Spent] = {}
        for name, source in sources.items():
            if source is None:
                return None
            depths = sorted(set(settings.depths)) or [source.passages]
            counts = sorted(set(settings.queries)) or [source.lists]
            for depth, queries in grid_parts(depths, counts, settings.grid):
                folder = cell_folder(settings.out, name, depth, queries)
                part = Lists(min(queries, source.lists), min(depth, source.passages))
                for seed in settings.seeds or (settings.seed,):
                    values = {"rankings": folder, "out": folder / f"student-seed{seed}"}
                    _, spent = self._trained(settings.part(TrainSettings, **values), part)
                    score = self._scoring_hours(scored // len(sources))
                    cells[f"{folder.name}-seed{seed}"] = Spent(spent.train, score)
        self.cells[str(settings.out)] = cells
        total = sum(cells.values(), Spent())
        self.spent[str(settings.out)] = total
        return (
            f"{counted(len(cells), 'student')} of parts of "
            f"{counted(len(sources), 'labelled set')}, each counted as the students above, "
            f"{total.train:,.1f} GPU-hours; `rankgen ablate --dry-run` measures them"
        )

    def _publish(self, out: Path, lists: Lists) -> Lists:
        # What a finished step holds is known better.
        return self.published.setdefault(str(out), lists)

    def _held(self, folder: Path) -> Lists | None:
        return self.published.get(str(folder))


def _short(number: float) -> str:
    """Returns 1,234,567 as 1.2 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f}"
