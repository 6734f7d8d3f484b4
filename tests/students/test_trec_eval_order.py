"""Our order of equal scores is that of trec_eval's own code, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval

from rankgen.manifests.score_order import tied_scores, trec_eval_places
from rankgen.students.evaluation.measures import per_query

# Near 100 two scores tie in 32 bits when they differ by less than about 4e-6.
CLOSE = [100.0, 100.0000001, 100.000001, 100.00001, 7.0, 7.0 + 1e-12, -0.0, 0.0, 1e300, 1e301]
IDS = ["a", "B", "b", "10", "9", "é", "z", "\u2028", "日本", "\uff41", "😀", "a1"]


def drawn(seed: int) -> dict[str, float]:
    generator = np.random.default_rng(seed)
    return {doc_id: float(generator.choice(CLOSE)) for doc_id in generator.permutation(IDS)}


@pytest.mark.parametrize("seed", range(40))
def test_the_order_is_that_of_pytrec_eval(seed: int) -> None:
    scores = drawn(seed)
    places = trec_eval_places(list(scores), list(scores.values()))
    ours = [list(scores)[place] for place in places]
    # The reciprocal rank tells where trec_eval puts the one relevant document.
    for doc_id in scores:
        evaluator = pytrec_eval.RelevanceEvaluator({"q": {doc_id: 1}}, {"recip_rank"})
        theirs = evaluator.evaluate({"q": scores})["q"]["recip_rank"]
        assert ours.index(doc_id) + 1 == round(1 / theirs)


@pytest.mark.parametrize("seed", range(10))
def test_every_measure_breaks_ties_alike(seed: int) -> None:
    scores = drawn(seed)
    grades = {doc_id: place % 3 for place, doc_id in enumerate(IDS)}
    names = {"nDCG@10": "ndcg_cut_10", "AP": "map", "RR": "recip_rank", "P@5": "P_5"}
    evaluator = pytrec_eval.RelevanceEvaluator({"q": grades}, set(names.values()))
    theirs = evaluator.evaluate({"q": scores})["q"]
    ours = per_query({"q": grades}, {"q": scores}, [*names, "RR@12", "Judged@1"])
    for name, peer in names.items():
        assert ours[name]["q"] == theirs[peer]
    # ir_measures leaves these two to other code than trec_eval's, which breaks ties otherwise.
    assert ours["RR@12"]["q"] == theirs["recip_rank"]
    first = trec_eval_places(list(scores), list(scores.values()))[0]
    judged = per_query({"q": {list(scores)[first]: 0}}, {"q": scores}, ["Judged@1"])
    assert judged["Judged@1"]["q"] == 1


def test_ties_are_those_of_32_bits() -> None:
    assert tied_scores([100.0, 100.0000001, 100.00001, 7.0, 7.0]) == 4
    assert tied_scores([1e300, 1e301, 0.0, -0.0]) == 4
    assert tied_scores([]) == tied_scores([1.0]) == 0
    assert trec_eval_places([], []) == []
    assert per_query({"q": {"a": 1}}, {}, ["nDCG@10"]) == {"nDCG@10": {"q": 0.0}}
