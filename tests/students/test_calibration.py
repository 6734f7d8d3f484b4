"""Probabilities of relevance, beside scikit-learn's on the same scores."""

from __future__ import annotations

import numpy as np
import pytest

from rankgen.students.shipping.calibration import calibrate, fit_isotonic, fit_platt


def drawn(pairs: int = 400) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(7)
    logits = draw.normal(-40.0, 12.0, pairs)
    labels = draw.random(pairs) < 1 / (1 + np.exp(-(0.2 * logits + 7.0)))
    return logits, labels.astype(np.float64)


def test_platt_is_that_of_scikit_learn() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    logits, labels = drawn()
    theirs = calibration._SigmoidCalibration().fit(logits, labels)
    ours = fit_platt(logits, labels)
    assert ours.probability(logits) == pytest.approx(theirs.predict(logits), abs=1e-4)
    assert ours.slope == pytest.approx(0.2, rel=0.3)


def test_isotonic_is_that_of_scikit_learn() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    logits, labels = drawn()
    # Equal scores are one.
    logits = logits.round()
    theirs = isotonic.IsotonicRegression(out_of_bounds="clip").fit(logits, labels)
    ours = fit_isotonic(logits, labels)
    beyond = np.concatenate([logits, [-1e3, 1e3], logits + 0.3])
    assert ours.probability(beyond) == pytest.approx(theirs.predict(beyond))
    assert len(ours.logits) < len(np.unique(logits))


def test_a_separable_set_has_a_finite_slope() -> None:
    found = fit_platt(np.arange(10.0), (np.arange(10) > 4).astype(np.float64))
    assert 0 < found.slope < 100


def test_probabilities_are_better_than_the_bare_sigmoid_on_other_queries() -> None:
    logits, labels = drawn()
    scores = {f"q{n}": {f"d{i}": logits[20 * n + i] for i in range(20)} for n in range(20)}
    qrels = {f"q{n}": {f"d{i}": int(labels[20 * n + i]) for i in range(20)} for n in range(20)}
    found = calibrate(scores, qrels, 1)
    assert found is not None
    brier = found.brier_on_other_queries
    assert brier["platt"] < brier["base_rate"] < brier["sigmoid_of_logit"]
    assert brier["isotonic"] < brier["base_rate"]
    assert (found.queries, found.pairs) == (20, 400)


def test_judgements_that_name_relevant_passages_alone_count_the_others_as_not_relevant() -> None:
    scores = {q: {"a": 2.0, "b": 1.0, "c": 0.0} for q in ("q1", "q2")}
    alone = calibrate(scores, {"q1": {"a": 1}, "q2": {"a": 1, "elsewhere": 1}}, 1)
    assert alone is not None
    assert (alone.pairs, alone.relevant, alone.unjudged) == (6, 2, "counted as not relevant")
    some = calibrate(scores, {"q1": {"a": 2, "b": 1}, "q2": {"a": 2, "b": 0}}, 2)
    assert some is not None
    assert (some.pairs, some.relevant, some.unjudged) == (4, 2, "left out")


@pytest.mark.parametrize(
    "qrels",
    [
        {"q1": {"a": 1}, "q2": {"elsewhere": 1}},
        {"q1": {"a": 1, "b": 0}},
        {"q1": {"a": 0}, "q2": {"a": 0}},
    ],
)
def test_too_few_judgements_calibrate_nothing(qrels: dict[str, dict[str, int]]) -> None:
    assert calibrate({q: {"a": 1.0, "b": 0.5} for q in qrels}, qrels, 1) is None
