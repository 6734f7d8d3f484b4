"""The listwise losses, MarginMSE and combinations, by hand and against sentence-transformers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from given_scores import Scorer
from torch import Tensor

from rankgen.manifests.errors import UsageError
from rankgen.students.losses import LOSSES, Targets, make_loss, parse_loss
from rankgen.students.losses.lambda_loss import ndcg_weights, places_by_score
from rankgen.students.losses.terms import Reduction, Terms, reduced

RAGGED_SCORES = [[2.0, -1.0, 0.5, 3.0], [0.1, 0.2, -0.4]]
RAGGED_RANKS = [[2.0, 1.0, 3.0, 4.0], [3.0, 1.0, 2.0]]


def targets_of(ranks: list[float], teacher: list[float] | None = None) -> Targets:
    wide = torch.tensor([ranks], dtype=torch.float64)
    scores = None if teacher is None else torch.tensor([teacher], dtype=torch.float64)
    return Targets(wide, torch.ones(wide.shape, dtype=torch.bool), scores)


def value(text: str, scores: list[float], targets: Targets, reduction: Reduction = "sum") -> float:
    (part,) = parse_loss(text)
    terms = part.loss.terms(torch.tensor([scores], dtype=torch.float64), targets)
    return reduced(terms, reduction).item()


def log_softmax(values: list[float]) -> list[float]:
    total = math.log(sum(math.exp(v) for v in values))
    return [v - total for v in values]


def test_softmax_cross_entropy_and_listnet_by_hand() -> None:
    scores, logs = [2.0, 0.5, 1.0], log_softmax([2.0, 0.5, 1.0])
    share = [1 / 2 / (11 / 6), 1 / (11 / 6), 1 / 3 / (11 / 6)]
    by_hand = -sum(p * log for p, log in zip(share, logs, strict=True))
    assert value("softmax-ce", scores, targets_of([2, 1, 3])) == pytest.approx(by_hand)
    # The softmax of -ln(rank) is 1/rank over the sum, so ListNet without scores is the same.
    assert value("listnet", scores, targets_of([2, 1, 3])) == pytest.approx(by_hand)
    squared = [1 / 4 / (49 / 36), 1 / (49 / 36), 1 / 9 / (49 / 36)]
    sharper = -sum(p * log for p, log in zip(squared, logs, strict=True))
    sharp = value("listnet(temperature=0.5)", scores, targets_of([2, 1, 3]))
    assert sharp == pytest.approx(sharper)


def test_kl_is_listnet_less_the_teachers_entropy_and_zero_for_its_own_scores() -> None:
    scores, teacher = [2.0, 0.5, 1.0], [0.3, 4.0, -1.0]
    logs = log_softmax(teacher)
    entropy = -sum(math.exp(log) * log for log in logs)
    given = targets_of([2, 1, 3], teacher)
    listnet = value("listnet", scores, given)
    assert value("kl", scores, given) == pytest.approx(listnet - entropy)
    assert value("kl", [t + 7 for t in teacher], given) == pytest.approx(0, abs=1e-12)


def test_listmle_by_hand() -> None:
    # Order by rank: 0.5, 2.0, 1.0.
    first = math.log(math.exp(0.5) + math.exp(2.0) + math.exp(1.0)) - 0.5
    second = math.log(math.exp(2.0) + math.exp(1.0)) - 2.0
    assert value("listmle", [2.0, 0.5, 1.0], targets_of([2, 1, 3])) == pytest.approx(first + second)
    weighted = value("p-listmle", [2.0, 0.5, 1.0], targets_of([2, 1, 3]), "per_query_mean")
    weights = [1.0, 1 / math.log2(3), 0.5]
    assert weighted == pytest.approx((first + second * weights[1]) / sum(weights))


def test_listmle_draws_tied_passages_from_the_same_rest() -> None:
    scores = [2.0, 0.5, 1.0]
    whole = math.log(sum(math.exp(s) for s in scores))
    tied = value("listmle", scores, targets_of([1, 1, 2]))
    assert tied == pytest.approx((whole - 2.0) + (whole - 0.5))


def test_listmle_of_five_hundred_passages_is_finite() -> None:
    scores = torch.linspace(-90, 90, 500).unsqueeze(0).requires_grad_()
    targets = Targets(torch.arange(500).unsqueeze(0), torch.ones(1, 500, dtype=torch.bool))
    for name in ("listmle", "p-listmle", "lambda"):
        loss = reduced(make_loss(name).terms(scores, targets), "per_query_mean")
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_margin_mse_by_hand() -> None:
    scores, teacher = [2.0, 0.5, 1.0], [0.3, 4.0, -1.0]
    errors = [
        (0.5 - 2.0) - (4.0 - 0.3),
        (0.5 - 1.0) - (4.0 + 1.0),
        (2.0 - 1.0) - (0.3 + 1.0),
    ]
    by_hand = sum(error**2 for error in errors)
    given = targets_of([2, 1, 3], teacher)
    assert value("margin-mse", scores, given) == pytest.approx(by_hand)
    assert value("margin-mse", scores, given, "batch_pairs") == pytest.approx(by_hand / 3)
    assert value("margin-mse", [t - 2 for t in teacher], given) == pytest.approx(0)
    with pytest.raises(ValueError, match="needs the teacher's scores"):
        value("margin-mse", scores, targets_of([2, 1, 3]))


def test_lambda_loss_by_hand() -> None:
    # By score: document 0 stands first, document 1 second; the teacher has it the other way.
    scores, ranks = [1.0, 0.0], [2.0, 1.0]
    ideal = 1.0 + 0.5 / math.log2(3)
    rho = 1 - 1 / math.log2(3)
    weight = (rho + 10 * (1 - 1 / math.log2(3))) * (1.0 - 0.5) / ideal
    by_hand = weight * math.log1p(math.exp(1.0))
    assert value("lambda", scores, targets_of(ranks)) == pytest.approx(by_hand)
    only_rho = value("lambda(mu=0)", scores, targets_of(ranks))
    assert only_rho == pytest.approx(by_hand / 11)


def test_tied_scores_stand_in_the_worst_order_whatever_the_batch() -> None:
    targets = targets_of([2, 1, 3])
    tied = torch.zeros(1, 3, dtype=torch.float64)
    assert places_by_score(tied, targets)[0].tolist() == [2, 3, 1]
    weights = ndcg_weights(tied, targets, 10)
    assert (weights[0][~torch.eye(3, dtype=torch.bool)] > 0).all()


def theirs(name: str, label: Callable[[float], float], **options: object) -> float:
    losses = pytest.importorskip("sentence_transformers.cross_encoder.losses")
    loss = getattr(losses, name)(
        Scorer([score for row in RAGGED_SCORES for score in row]), **options
    )
    inputs = [["q"] * 2, [["d"] * len(row) for row in RAGGED_SCORES]]
    labels = [torch.tensor([label(rank) for rank in row]) for row in RAGGED_RANKS]
    result: float = loss(inputs, labels).item()
    return result


def ours(name: str, teacher: Callable[[float], float] | None = None) -> Terms:
    scores = torch.tensor([RAGGED_SCORES[0], [*RAGGED_SCORES[1], 9.0]])
    ranks = torch.tensor([RAGGED_RANKS[0], [*RAGGED_RANKS[1], 1.0]])
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    given = None if teacher is None else torch.tensor([[teacher(r) for r in row] for row in ranks])
    return make_loss(name).terms(scores, Targets(ranks, mask, given))


def test_listnet_agrees_with_sentence_transformers() -> None:
    # Theirs: softmax over the labels as they are; the mean over queries.
    def label(rank: float) -> float:
        return 3.0 / rank

    expected = theirs("ListNetLoss", label)
    assert reduced(ours("listnet", label), "per_query_mean").item() == pytest.approx(expected)


def test_listmle_agrees_with_sentence_transformers() -> None:
    # Theirs: the sum over the draws of a query, then the mean over queries.
    expected = theirs("ListMLELoss", lambda rank: -rank, respect_input_order=False)
    assert ours("listmle").sums.mean().item() == pytest.approx(expected)


def test_p_listmle_agrees_with_sentence_transformers_given_our_discount() -> None:
    # Theirs: weights normalised within a query; its function of the mask is told our discount.
    from sentence_transformers.cross_encoder.losses import PListMLELambdaWeight

    def discount(mask: Tensor) -> Tensor:
        return mask / torch.log2(1.0 + torch.arange(1, mask.shape[1] + 1))

    expected = theirs(
        "PListMLELoss",
        lambda rank: -rank,
        respect_input_order=False,
        lambda_weight=PListMLELambdaWeight(discount),
    )
    assert reduced(ours("p-listmle"), "per_query_mean").item() == pytest.approx(expected)


def test_lambda_loss_agrees_with_sentence_transformers() -> None:
    # Theirs: gains 2^label - 1, log2 instead of ln, the mean over the pairs of the batch. The
    # label log2(1 + 1/rank) has our gain 1/rank.
    expected = theirs("LambdaLoss", lambda rank: math.log2(1 + 1 / rank))
    mine = reduced(ours("lambda"), "batch_pairs").item() / math.log(2)
    assert mine == pytest.approx(expected, rel=1e-5)


def test_margin_mse_agrees_with_sentence_transformers() -> None:
    losses = pytest.importorskip("sentence_transformers.cross_encoder.losses")
    # Theirs: one passage against each of the others; a list of two is that.
    # Its constructor wants a whole CrossEncoder, which its formula does not.
    peer = losses.MarginMSELoss.__new__(losses.MarginMSELoss)
    torch.nn.Module.__init__(peer)
    peer.model, peer.activation_fn = Scorer([2.0, -1.0]), torch.nn.Identity()
    peer.loss_fct = torch.nn.MSELoss()
    expected = peer([["q"], ["p"], ["n"]], torch.tensor([[1.25]])).item()
    assert value("margin-mse", [2.0, -1.0], targets_of([1, 2], [1.25, 0.0])) == pytest.approx(
        expected
    )


def test_combinations_are_read() -> None:
    ranknet, lce = parse_loss("ranknet:1, lce:0.5")
    assert (ranknet.loss.name, ranknet.weight) == ("ranknet", 1.0)
    assert (lce.loss.name, lce.weight) == ("lce", 0.5)
    listnet, adr = parse_loss("listnet(temperature=0.5),adr_mse(alpha=2):3")
    assert listnet.loss == make_loss("listnet", {"temperature": 0.5})
    assert (adr.loss, adr.weight) == (make_loss("adr-mse", {"alpha": 2.0}), 3.0)
    for name in LOSSES:
        assert parse_loss(name)[0].loss.name == name


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("ranknt:1,lce:0.5", "no loss 'ranknt'", "did you mean 'ranknet'?"),
        (
            "ranknet:1,lce:x",
            "the value of 'lce:x' in 'ranknet:1,lce:x' is not a number",
            "write for example",
        ),
        ("ranknet:nan", "is not a number", "write for example"),
        ("ranknet:0", "is not greater than 0", "write for example"),
        ("ranknet:1:2", "is not a loss", "write for example"),
        ("ranknet,,lce", "'' in 'ranknet,,lce' is not a loss", "write for example"),
        ("ranknet,lce,ranknet", "names the loss 'ranknet' twice", "add up the weights"),
        ("listnet(temprature=2)", "no constant 'temprature'", "did you mean 'temperature'?"),
        ("lce(alpha=2)", "the loss 'lce' has no constant 'alpha'", "write 'lce' alone"),
        ("listnet(temperature=0)", "temperature must be greater than 0", "choose another value"),
        ("adr-mse(alpha=-1)", "alpha must be greater than 0", "choose another value"),
    ],
)
def test_a_wrong_combination_is_one_sentence(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_loss(text)
    assert message in error.value.message
    assert error.value.hint is not None
    assert hint in error.value.hint
