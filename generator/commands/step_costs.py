"""What the steps of a recipe cost, from their settings alone, before anything is there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rankgen.generator.api.ablate_settings import AblateOptions
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.commands.options import ASSUMED_TOKENS_PER_SECOND
from rankgen.generator.jobs.label.settings import LabelOptions
from rankgen.generator.jobs.negatives.settings import NegativesSettings
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.generator.jobs.subsample.settings import SubsampleSettings
from rankgen.manifests.options import Settings
from rankgen.retrieval.collections.irds import IRDS_PREFIX, irds_query_count
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.training.settings import StudentSettings

# Counted on the top 100 of BM25 for the queries of TREC DL 2019: a prompt of RankZephyr for each
# passage in it, its answer likewise, and a pair for ELECTRA cut as in appendix C.
PROMPT_TOKENS, OUTPUT_TOKENS, PAIR_TOKENS = 109.0, 4.5, 95.0
# A model of 110 M weights at 40 % of an A100's arithmetic; nobody has measured it here.
TRAINED_TOKENS_PER_SECOND = 250_000.0
_HOUR = 3600.0


class Lists(NamedTuple):
    """What a step publishes, at most: lists, and passages in each."""

    lists: int
    passages: int


@dataclass
class StepCosts:
    """Follows the lists from step to step.

    Attributes:
        published: Folder of a step -> its lists; steps of unknown size are not in it.
        label_hours: GPU-hours of labelling so far.
        train_hours: GPU-hours of training so far.
    """

    published: dict[str, Lists] = field(default_factory=dict)
    label_hours: float = 0.0
    train_hours: float = 0.0

    def of(self, settings: Settings) -> str | None:
        """Returns what a step costs, in a line; None where its settings do not say it."""
        match settings:
            case RetrieveOptions():
                return self._retrieve(settings)
            case NegativesSettings():
                return self._negatives(settings)
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

    def total(self) -> str | None:
        """Returns the sums of all steps, and what they assume; None where nothing is known."""
        if not self.label_hours + self.train_hours:
            return None
        return (
            f"in all about {self.label_hours:,.1f} GPU-hours of labelling (assumes "
            f"{ASSUMED_TOKENS_PER_SECOND:,.0f} tokens/s on one GPU) and {self.train_hours:,.1f} of "
            f"training (assumes {TRAINED_TOKENS_PER_SECOND:,.0f} tokens/s, a base model on one "
            "A100), for passages as long as those of MS MARCO; nothing of it was measured on this "
            "machine, and searching and scoring are not counted"
        )

    def _retrieve(self, settings: RetrieveOptions) -> str | None:
        queries = settings.sample
        if queries is None and settings.collection.startswith(IRDS_PREFIX):
            queries = irds_query_count(settings.collection.removeprefix(IRDS_PREFIX))
        if queries is None:
            return None
        found = self._publish(settings.out, Lists(queries, settings.depth))
        return f"{found.lists:,} queries to search, {found.passages} passages each"

    def _negatives(self, settings: NegativesSettings) -> str | None:
        source = self._held(settings.candidates)
        if source is None:
            return None
        size = 1 + min(settings.count, source.passages)
        found = self._publish(settings.out, Lists(source.lists, size))
        return f"at most {found.lists:,} lists of {found.passages} passages; no GPU"

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
            return f"{calls:,} windows; no tokens are counted for this teacher"
        if teacher.preset.kind == "pairwise":
            # Each passage of a window is shown beside each other one, in both orders.
            calls, window = calls * window * (window - 1), 2
        prompt, output = calls * window * PROMPT_TOKENS, calls * window * OUTPUT_TOKENS
        hours = (prompt + output) / ASSUMED_TOKENS_PER_SECOND / _HOUR
        self.label_hours += hours
        return (
            f"{calls:,} calls, about {_short(prompt)} prompt and {_short(output)} output tokens, "
            f"{hours:,.1f} GPU-hours"
        )

    def _subsample(self, settings: SubsampleSettings) -> str | None:
        source = self._held(settings.rankings)
        if source is None:
            return None
        queries, depth = settings.queries or source.lists, settings.depth or source.passages
        found = self._publish(settings.out, Lists(queries, min(depth, source.passages)))
        return f"{found.lists:,} lists of {found.passages} passages; no teacher, no GPU"

    def _train(self, settings: TrainOptions) -> str | None:
        source = self._held(settings.rankings)
        return None if source is None else self._trained(settings, source, 1)

    def _trained(self, settings: StudentSettings, source: Lists, students: int) -> str:
        of_list = min(source.passages, settings.depth or math.inf, settings.sample_size or math.inf)
        of_step = settings.queries_per_step * of_list
        steps = settings.max_steps or math.ceil(
            settings.epochs * source.lists / settings.queries_per_step
        )
        text = f"{settings.queries_per_step} lists of {of_list:.0f} passages a step"
        is_validated = bool(settings.validation or settings.validation_rankings)
        if is_validated and settings.patience_steps is not None:
            # How long it goes on before it gets no better is only known afterwards.
            epoch = math.ceil(source.lists / settings.queries_per_step)
            steps = min(steps, epoch)
            text += (
                f", until nDCG@10 has not risen for {settings.patience_steps} steps: counted as "
                f"one pass of {steps:,} steps"
            )
        else:
            text += f", {steps:,} steps"
        tokens = steps * of_step * PAIR_TOKENS * students
        hours = tokens / TRAINED_TOKENS_PER_SECOND / _HOUR
        self.train_hours += hours
        return f"{text}; {_short(tokens)} tokens, {hours:,.1f} GPU-hours"

    def _evaluate(self, settings: EvaluationSettings) -> str | None:
        source = None if settings.candidates is None else self._held(settings.candidates)
        if source is None:
            return None
        pairs = source.lists * min(source.passages, settings.depth or source.passages)
        return f"{pairs * len(settings.students):,} pairs to score"

    def _ablate(self, settings: AblateOptions) -> str | None:
        named = [text.partition("=")[2] for text in settings.rankings]
        sources = [source for path in named if (source := self._held(Path(path))) is not None]
        if len(sources) < len(named):
            return None
        cells, before = 0, self.train_hours
        for source in sources:
            for depth in settings.depths or (source.passages,):
                for queries in settings.queries or (source.lists,):
                    seeds = len(settings.seeds) or 1
                    part = Lists(min(queries, source.lists), min(depth, source.passages))
                    self._trained(settings, part, seeds)
                    cells += seeds
        hours = self.train_hours - before
        return (
            f"{cells} students of parts of {len(sources)} labelled sets, each counted as the "
            f"students above, {hours:,.1f} GPU-hours; `rankgen ablate --dry-run` measures them"
        )

    def _publish(self, out: Path, lists: Lists) -> Lists:
        self.published[str(out)] = lists
        return lists

    def _held(self, folder: Path) -> Lists | None:
        return self.published.get(str(folder))


def _short(number: float) -> str:
    """Returns 1,234,567 as 1.2 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f}"
