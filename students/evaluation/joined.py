"""Several evaluations of the same queries as one: their systems side by side, tested anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from rankgen.manifests.errors import UsageError
from rankgen.students.evaluation.result import Evaluation, SystemResult
from rankgen.students.evaluation.significance import PairedTest, paired_tests

PerQuery = dict[str, tuple[float, ...]]


def joined(evaluations: Mapping[str, Evaluation]) -> Evaluation:
    """Returns one evaluation with the systems of all, in the measures that all have.

    A system that several of them have, such as the first stage, is taken once. Tests are computed
    and corrected anew, since there are more of them.

    Args:
        evaluations: At least one, by what it is called.

    Raises:
        UsageError: They count other judgements or queries, or have no measure in common.
    """
    first_name, first = next(iter(evaluations.items()))
    for name, other in evaluations.items():
        _check(first_name, first, name, other)
    measures = [m for m in first.best if all(m in other.best for other in evaluations.values())]
    if not measures:
        raise UsageError(
            f"the evaluations {', '.join(evaluations)} have no measure in common",
            "repeat them with one: rankgen evaluate --measure nDCG@10",
        )
    systems: list[SystemResult] = []
    values: dict[str, PerQuery] = {}
    for name, evaluation in evaluations.items():
        for system in evaluation.systems:
            own = {m: tuple(evaluation.per_query[system.name][m]) for m in measures}
            if values.get(system.name) == own:
                continue
            unique = f"{system.name} [{name}]" if system.name in values else system.name
            values[unique] = own
            systems.append(_limited(system, unique, measures))
    return first.model_copy(
        update={
            "systems": tuple(systems),
            "tests": tuple(_tests(first, values, measures)),
            "per_query": values,
            "settings": _shared_settings(evaluations),
            "notices": tuple(
                dict.fromkeys(said for one in evaluations.values() for said in one.notices)
            ),
        }
    )


def _check(first_name: str, first: Evaluation, name: str, other: Evaluation) -> None:
    judged = [one.settings.get("qrels_sha256") for one in (first, other)]
    if judged[0] != judged[1]:
        raise UsageError(
            f"{name} was measured by other judgements than {first_name}",
            "repeat one of them with the same --qrels",
        )
    if first.query_ids != other.query_ids:
        raise UsageError(
            f"{name} counts {other.queries:,} queries and {first_name} {first.queries:,}, which "
            "are not the same ones",
            "repeat one of them with the same --queries",
        )


def _limited(system: SystemResult, name: str, measures: list[str]) -> SystemResult:
    return system.model_copy(
        update={
            "name": name,
            "measures": {m: system.measures[m] for m in measures},
            "intervals": {m: system.intervals[m] for m in measures},
        }
    )


def _tests(
    first: Evaluation, values: Mapping[str, PerQuery], measures: list[str]
) -> Iterator[PairedTest]:
    pairs = list(itertools.combinations(range(len(values)), 2))
    if first.settings.get("compare") == "first":
        pairs = [pair for pair in pairs if pair[0] == 0]
    samples, seed = (first.settings.get(name) for name in ("randomisation_samples", "seed"))
    chosen = {
        name: value
        for name, value in {"samples": samples, "seed": seed}.items()
        if isinstance(value, int)
    }
    for measure in measures:
        vectors = [(name, np.array(own[measure])) for name, own in values.items()]
        yield from paired_tests(measure, vectors, pairs, **chosen)


def _shared_settings(evaluations: Mapping[str, Evaluation]) -> dict[str, object]:
    """Returns the settings that all have in common, and what was joined."""
    first, *others = (one.settings for one in evaluations.values())
    shared = {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }
    return {"evaluations": list(evaluations), **shared}
