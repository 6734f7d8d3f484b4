"""`soup`: the mean of students' weights, of all of them or of those that better the validation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from rankgen.manifests.notices import warn
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.retrieval.collections.judgements import judgements_sha256
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware, choose_hardware, place
from rankgen.students.soup.average import Sum
from rankgen.students.soup.ingredients import Ingredient, check_alike, ingredients_of
from rankgen.students.soup.learned import (
    refuse_learned_queries,
    refuse_learned_runs,
    union_learned,
)
from rankgen.students.soup.settings import SoupSettings
from rankgen.students.soup.soup_folder import held_soup, publish_soup, soup_record
from rankgen.students.soup.summary import Considered, SoupSummary
from rankgen.students.training.validation import MEASURE, Validations
from rankgen.students.training.validation_sets import open_validations


def make_soup(settings: SoupSettings) -> SoupSummary:
    """Averages students into a new one, which loads wherever they do.

    Source: Wortsman et al., arXiv 2203.05482; the greedy soup adds students from the best one on
    and keeps those that raise the validation of the mean.

    Raises:
        UsageError: The students do not belong together, the validation is unusable or was learned,
            or `out` holds something else.
        IntegrityProblem: A text is missing, or a score is NaN or infinite.
    """
    ingredients = ingredients_of(settings.students)
    facts = _facts(settings, ingredients)
    held = held_soup(settings.out, facts)
    if held is not None:
        return held
    refuse_learned_runs(settings, ingredients)
    averaging = _Averaging(settings, ingredients)
    summary = averaging.run()
    record = soup_record(summary, facts, ingredients)
    publish_soup(averaging.mean, summary, record, union_learned(ingredients))
    return summary


class _Averaging:
    """Measures and averages; `mean` holds the mean at the end."""

    def __init__(self, settings: SoupSettings, ingredients: Sequence[Ingredient]) -> None:
        self._settings, self._ingredients = settings, ingredients
        self._hardware: Hardware = choose_hardware(
            settings.device,
            settings.precision,
            chunk_tokens=settings.chunk_tokens,
            threads=settings.threads,
        )
        # What its students learned from is looked up one by one.
        self._validation: Validations | None = open_validations(settings, {})
        if self._validation is not None:
            for notice in (notice for one in self._validation.sets for notice in one.notices):
                warn(notice)
            refuse_learned_queries(self._validation, ingredients)
        self.mean: CrossEncoder = ingredients[0].open()

    def run(self) -> SoupSummary:
        """Makes the mean and says what is in it."""
        own = [self._own_value(one) for one in self._ingredients]
        is_greedy = self._settings.chosen == "greedy"
        kept, value = self._greedy(own) if is_greedy else self._uniform()
        rows = zip(self._ingredients, own, strict=True)
        return SoupSummary(
            out=self._settings.out,
            method=self._settings.chosen,
            ingredients=tuple(
                Considered(name=one.name, identity=one.identity, validation=of, is_kept=one in kept)
                for one, of in rows
            ),
            validation=value,
            first_stage=None if self._validation is None else self._validation.first_stage,
        )

    def _own_value(self, one: Ingredient) -> float | None:
        first = self._ingredients[0]
        encoder = self.mean if one is first else one.open()
        check_alike(self.mean, encoder, (first.source, one.source))
        return self._value(encoder, one.name)

    def _uniform(self) -> tuple[Sequence[Ingredient], float | None]:
        total = Sum()
        for one in self._ingredients:
            total = total.with_model(one.open().model)
        total.into(self.mean.model)
        return self._ingredients, self._value(self.mean, "the mean of all")

    def _greedy(self, own: Sequence[float | None]) -> tuple[Sequence[Ingredient], float]:
        pairs = sorted(zip(own, self._ingredients, strict=True), key=lambda pair: -(pair[0] or 0.0))
        total, kept, best = Sum(), list[Ingredient](), -1.0
        for _, one in pairs:
            tried = total.with_model(one.open().model)
            tried.into(self.mean.model)
            value = self._value(self.mean, f"the mean with {one.name}") or 0.0
            if value > best:
                total, best = tried, value
                kept.append(one)
        total.into(self.mean.model)
        return kept, best

    def _value(self, encoder: CrossEncoder, name: str) -> float | None:
        if self._validation is None:
            return None
        place(encoder.model, self._hardware)
        encoder.model.train(False)
        value = self._validation(encoder, self._hardware)[MEASURE]
        print(f"{name}: validation {MEASURE} {value:.4f}", file=sys.stderr, flush=True)
        return value


def _facts(settings: SoupSettings, ingredients: Sequence[Ingredient]) -> dict[str, JsonValue]:
    """Returns what makes two soups the same."""
    facts: dict[str, JsonValue] = {
        "backbone": ingredients[0].backbone,
        "method": settings.chosen,
        "ingredients": [one.identity for one in ingredients],
    }
    if settings.is_validated:
        judged: list[JsonValue] = [
            [tables_digest(RunDirectory(run), ("candidates", "queries", "documents")), judgements]
            for run, judgements in zip(
                settings.validation, map(judgements_sha256, settings.validation_qrels), strict=True
            )
        ]
        facts["validation"] = [
            *judged,
            *(_learnable(run) for run in settings.validation_rankings),
            settings.validation_queries,
            settings.validation_depth,
        ]
    return facts


def _learnable(rankings: Path) -> str:
    """Returns the digest that a training records of rankings it learns from."""
    return tables_digest(RunDirectory(rankings), ("rankings", "queries", "documents"))
