"""Compiled layers give the scores and gradients of the model as it is."""

from __future__ import annotations

import pytest
import torch
from test_packing import SMALL, gradient, pairs_of, template
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.students.model.compile import compile_layers
from rankgen.students.model.packed_forward import packed_logits
from rankgen.students.model.packing import pack


def small_bert() -> PreTrainedModel:
    torch.manual_seed(0)
    settings = {**SMALL, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertForSequenceClassification(BertConfig(**settings)).eval()


# Compiling takes a minute of two cores.
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_packed_and_padded_are_unchanged() -> None:
    plain, compiled = small_bert(), small_bert()
    compile_layers(compiled)
    names = set(compiled.state_dict())
    joined = template(has_types=True)
    for lengths in ([9, 9, 5, 3], [30, 12], [7, 7, 7, 6, 5, 4]):
        pairs = pairs_of(lengths)
        packed = pack(joined, pairs)
        scores = [packed_logits(model, packed)[:, 0] for model in (plain, compiled)]
        torch.testing.assert_close(scores[1], scores[0], atol=1e-5, rtol=1e-5)
        slopes = [gradient(m, s) for m, s in zip((plain, compiled), scores, strict=True)]
        torch.testing.assert_close(slopes[1], slopes[0], atol=1e-4, rtol=1e-4)
        padded = compiled(**joined.collate(pairs)).logits[:, 0]
        torch.testing.assert_close(padded, scores[0], atol=1e-5, rtol=1e-5)
    assert set(compiled.state_dict()) == names == set(plain.state_dict())
    from torch._dynamo.utils import counters

    assert counters["stats"]["unique_graphs"] > 0


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(EnvironmentProblem, match=r"the layers of a .* cannot be compiled"):
        compile_layers(torch.nn.Linear(2, 2))  # type: ignore[arg-type]  # on purpose
