"""What a soup's students learned from: queries that cannot choose between them."""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.manifests.errors import UsageError
from rankgen.manifests.notices import warn
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.soup.ingredients import Ingredient
from rankgen.students.soup.settings import SoupSettings
from rankgen.students.training.learned_queries import learned_among, learned_by, unknown_notice
from rankgen.students.training.validation import Validation, Validations

_HINT = "name rankings of other queries: --validation-rankings"


def refuse_learned_runs(settings: SoupSettings, ingredients: Sequence[Ingredient]) -> None:
    """Refuses the very rankings that a student was trained on, which every record names.

    Raises:
        UsageError: A student was trained on a run of the validation.
    """
    for run in settings.validation_rankings:
        digest = tables_digest(RunDirectory(run), ("rankings", "queries", "documents"))
        for one in ingredients:
            if one.facts.get("rankings_sha256") == digest:
                raise UsageError(
                    f"{one.source} was trained on {run}, so that it cannot choose the soup", _HINT
                )


def refuse_learned_queries(validations: Validations, ingredients: Sequence[Ingredient]) -> None:
    """Refuses a teacher's rankings of queries that a student learned from.

    Of judged ones it tells, as a training does, and so of students that do not say what they
    learned from.

    Raises:
        UsageError: A student learned from a query of rankings.
    """
    for one in ingredients:
        learned = learned_by(one.source)
        for held in validations.sets:
            if learned is None:
                warn(unknown_notice(one.source, held.name))
            elif shared := learned_among(learned, held.queries):
                _tell(one, held, shared)


def union_learned(ingredients: Sequence[Ingredient]) -> frozenset[str] | None:
    """Returns the digests of all queries that the students learned from; None if one is silent."""
    found = [learned_by(one.source) for one in ingredients]
    known = [digests for digests in found if digests is not None]
    return frozenset().union(*known) if len(known) == len(found) else None


def _tell(one: Ingredient, held: Validation, shared: Sequence[str]) -> None:
    told = (
        f"{one.source} learned from {len(shared):,} of the {len(held.queries):,} queries of "
        f"{held.name}, such as {shared[0]}, so that"
    )
    if not held.is_judged:
        raise UsageError(f"{told} they cannot choose the soup", _HINT)
    warn(f"{told} its validation is optimistic")
