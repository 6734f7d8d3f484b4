"""The order in which trec_eval ranks scored documents, and the ties that it breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


def trec_eval_places(doc_ids: Sequence[str], scores: Sequence[float]) -> list[int]:
    """Returns the places of the documents, best first, as trec_eval orders them.

    Scores descend and are compared in 32 bits; equal ones are ordered by document id descending,
    byte by byte in UTF-8 (which orders as code points do).

    Args:
        doc_ids: Document ids; lines with the same id and score keep their order.
        scores: Their scores, higher is better.

    Source: trec_eval form_res_rels.c (comp_sim_docno) and get_trec_results.c (`float sim`).
    """
    narrow = in_32_bits(scores)
    places = sorted(range(len(narrow)), key=doc_ids.__getitem__, reverse=True)
    places.sort(key=lambda place: -narrow[place])
    return places


def tied_scores(scores: Sequence[float]) -> int:
    """Returns how many scores equal another one in the 32 bits that trec_eval compares."""
    return sum(times for times in Counter(in_32_bits(scores)).values() if times > 1)


def in_32_bits(scores: Sequence[float]) -> list[float]:
    """Returns the scores as trec_eval holds them; a score out of range becomes infinite."""
    with np.errstate(over="ignore"):
        narrow: list[float] = np.asarray(scores, dtype=np.float64).astype(np.float32).tolist()
    return narrow


def strictly_decreasing(scores: Sequence[float]) -> list[float]:
    """Returns scores, best first, each below the one before it in 32 bits.

    One that is not below becomes the next number below; all others stay as they are in 32 bits.

    Args:
        scores: In the order that they are to give, within the range of 32 bits.
    """
    strict: list[float] = []
    for score in scores:
        narrow = np.float32(score)
        if strict and narrow >= strict[-1]:
            narrow = np.nextafter(np.float32(strict[-1]), np.float32(-np.inf))
        strict.append(float(narrow))
    return strict
