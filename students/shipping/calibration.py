"""Turns logits into probabilities of relevance, by Platt's sigmoid and by isotonic regression.

Both are fitted on judged candidates and kept beside the model; its scores stay logits, since a
probability in 32 bits would tie the best of them.

Sources: Platt 1999 (with his targets between 0 and 1); Zadrozny & Elkan 2002.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rankgen.manifests.trec import Qrels
from rankgen.students.reranking.candidates import Scores

Floats = NDArray[np.float64]


class Platt(BaseModel):
    """The probability is 1 / (1 + exp(-(slope * logit + intercept)))."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float
    intercept: float

    def probability(self, logits: Floats) -> Floats:
        """Returns probabilities from 0 to 1, shape of `logits`."""
        from scipy.special import expit

        probability: Floats = expit(self.slope * logits + self.intercept)
        return probability


class Isotonic(BaseModel):
    """The probability is interpolated between rising logits, and constant outside of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    logits: tuple[float, ...]
    probabilities: tuple[float, ...]

    def probability(self, logits: Floats) -> Floats:
        """Returns probabilities from 0 to 1, shape of `logits`."""
        return np.interp(logits, self.logits, self.probabilities)


class Calibration(BaseModel):
    """What calibration.json holds.

    Attributes:
        relevant_from: Grade from which a judged passage counted as relevant.
        unjudged: Whether unjudged candidates were left out, or counted as not relevant because
            the judgements name relevant passages only.
        base_rate: Share of the pairs that are relevant.
        brier_on_other_queries: Mean squared error of each kind of probability on queries that it
            was not fitted on, lower is better; "base_rate" predicts the same for every pair.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    relevant_from: int
    unjudged: Literal["left out", "counted as not relevant"]
    queries: int
    pairs: int
    relevant: int
    base_rate: float
    platt: Platt
    isotonic: Isotonic
    brier_on_other_queries: dict[str, float]


def calibrate(scores: Scores, qrels: Qrels, relevant_from: int) -> Calibration | None:
    """Fits both on the scores of judged candidates.

    Args:
        scores: Logit by document by query.
        qrels: Grade by document by query.
        relevant_from: The lowest grade that counts as relevant.

    Returns:
        None where the candidates of two queries do not hold relevant and other passages.
    """
    has_negatives = any(
        qrels[q].get(d, relevant_from) < relevant_from for q in scores for d in scores[q]
    )
    rows = [
        (number, score, (qrels[q].get(d) or 0) >= relevant_from)
        for number, q in enumerate(sorted(scores))
        for d, score in scores[q].items()
        if d in qrels[q] or not has_negatives
    ]
    table = np.asarray(rows, dtype=np.float64).reshape(-1, 3)
    query, logits, labels = table.T
    odd = query % 2 == 1
    if any(len(np.unique(part)) < 2 for part in (query, labels[odd], labels[~odd])):
        return None
    return Calibration(
        relevant_from=relevant_from,
        unjudged="left out" if has_negatives else "counted as not relevant",
        queries=len(np.unique(query)),
        pairs=len(labels),
        relevant=int(labels.sum()),
        base_rate=float(labels.mean()),
        platt=fit_platt(logits, labels),
        isotonic=fit_isotonic(logits, labels),
        brier_on_other_queries=_held_out(logits, labels, odd),
    )


def fit_platt(logits: Floats, labels: Floats) -> Platt:
    """Fits the sigmoid of highest likelihood, shapes (pairs,); labels are 0 or 1."""
    from scipy.optimize import minimize
    from scipy.special import expit

    positive = labels.sum()
    negative = len(labels) - positive
    targets = np.where(labels > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    centre, scale = logits.mean(), logits.std() or 1.0
    places = (logits - centre) / scale

    def loss(weights: Floats) -> tuple[float, Floats]:
        at = weights[0] * places + weights[1]
        value = np.logaddexp(0, at) - targets * at
        slope = expit(at) - targets
        return float(value.mean()), np.array([(slope * places).mean(), slope.mean()])

    found: Any = minimize(loss, np.zeros(2), jac=True, method="BFGS")
    slope, intercept = found.x
    return Platt(slope=float(slope / scale), intercept=float(intercept - slope * centre / scale))


def fit_isotonic(logits: Floats, labels: Floats) -> Isotonic:
    """Fits the rising steps of least squared error, and keeps the ends of each."""
    from scipy.optimize import isotonic_regression

    values, places, counts = np.unique(logits, return_inverse=True, return_counts=True)
    means = np.bincount(places, labels) / counts
    fitted = isotonic_regression(means, weights=counts.astype(np.float64)).x
    inner = (np.diff(fitted, prepend=-1.0) != 0) | (np.diff(fitted, append=2.0) != 0)
    return Isotonic(
        logits=tuple(map(float, values[inner])), probabilities=tuple(map(float, fitted[inner]))
    )


def _held_out(logits: Floats, labels: Floats, odd: NDArray[np.bool_]) -> dict[str, float]:
    """Fits on one half of the queries and measures on the other, both ways."""
    from scipy.special import expit

    errors: dict[str, list[Floats]] = {}
    for held in (odd, ~odd):
        fitted, wanted = (logits[~held], labels[~held]), labels[held]
        found = {
            "base_rate": np.full(len(wanted), fitted[1].mean()),
            "sigmoid_of_logit": expit(logits[held]),
            "platt": fit_platt(*fitted).probability(logits[held]),
            "isotonic": fit_isotonic(*fitted).probability(logits[held]),
        }
        for name, probability in found.items():
            errors.setdefault(name, []).append((probability - wanted) ** 2)
    return {name: float(np.concatenate(parts).mean()) for name, parts in errors.items()}
