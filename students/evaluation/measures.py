"""Effectiveness per query, as trec_eval computes it (through ir_measures)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.score_order import trec_eval_places
from rankgen.manifests.trec import Qrels

if TYPE_CHECKING:
    from ir_measures.measures import Measure

# Document id -> score by query id; equal scores are ordered as in trec_eval.
ScoredRun = Mapping[str, Mapping[str, float]]
PerQuery = dict[str, dict[str, float]]


def parse_measures(names: Sequence[str]) -> list[Measure]:
    """Parses measure names such as nDCG@10, AP(rel=2)@100 or Judged@10.

    Raises:
        UsageError: A name is not a measure of ir_measures, or no installed package computes it.
    """
    import ir_measures

    parsed = []
    for name in names:
        try:
            measure = ir_measures.parse_measure(name)
            measure.validate_params()  # type: ignore[no-untyped-call]
        except (NameError, ValueError, SyntaxError, TypeError, KeyError, AssertionError):
            measure = None
        if measure is None:
            bare = name.split("@")[0].split("(")[0]
            raise UsageError(
                f"'{name}' is not a measure of ir_measures",
                did_you_mean(bare, ir_measures.measures.registry),
            )
        if not ir_measures.DefaultPipeline.supports(measure):  # type: ignore[no-untyped-call]
            raise UsageError(
                f"no installed package computes the measure '{name}'",
                "choose another, such as nDCG@10, RR@10, AP or R@100",
            )
        parsed.append(measure)
    return parsed


def per_query(qrels: Qrels, run: ScoredRun, measures: Sequence[str]) -> PerQuery:
    """Computes measures per query.

    As in trec_eval -c, equal scores are ordered by document id descending, scores are compared in
    32 bits, unjudged documents gain nothing, and a judged query that is missing from the run
    counts 0. Measures that ir_measures computes by other code than trec_eval's (RR@10, Judged@10)
    are given the same order.

    Args:
        qrels: Grades by document by query; these queries are the population.
        run: Scores by document by query; other queries are ignored.
        measures: Names that `parse_measures` knows.

    Returns:
        measure name -> query id -> value, for every query of `qrels`, sorted by query id.
    """
    import ir_measures

    parsed = parse_measures(measures)
    # Two names can mean one measure, such as RR@10 and MRR@10.
    given: dict[str, list[str]] = {}
    for measure, name in zip(parsed, measures, strict=True):
        given.setdefault(str(measure), []).append(name)
    values: PerQuery = {name: dict.fromkeys(sorted(qrels), 0.0) for name in measures}
    judged_run = {query: _untied(scores) for query, scores in run.items() if query in qrels}
    for metric in ir_measures.iter_calc(parsed, qrels, judged_run):
        for name in given[str(metric.measure)]:
            values[name][metric.query_id] = float(metric.value)
    return values


def _untied(scores: Mapping[str, float]) -> dict[str, float]:
    """Returns scores n, n - 1, ..., 1 in trec_eval's order, which have no ties to break."""
    doc_ids = list(scores)
    places = trec_eval_places(doc_ids, list(scores.values()))
    return {doc_ids[place]: float(len(places) - rank) for rank, place in enumerate(places)}


def mean(values: Mapping[str, float]) -> float:
    """Returns the mean over queries."""
    return sum(values.values()) / len(values)
