"""What a shipped graph does not compute."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from rankgen.students.shipping.first_tokens import only_first_tokens
from rankgen.students.shipping.shipped import Shipped
from rankgen.students.shipping.shipped_folder import ONNX_FILE

SIZES = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "max_position_embeddings": 20,
    "initializer_range": 0.3,
    "pad_token_id": 1,
    "num_labels": 1,
}
KINDS = ("bert", "electra", "roberta", "xlm-roberta")
INPUTS = {
    "input_ids": torch.arange(4, 34).view(3, 10),
    "attention_mask": (torch.arange(10) < torch.tensor([[10], [7], [3]])).long(),
}


def model_of(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SIZES)
    config._attn_implementation = "eager"
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_layer_computes_first_tokens_and_the_same_logits(kind: str) -> None:
    model = model_of(kind)
    with torch.inference_mode():
        whole = model(**INPUTS).logits
        with only_first_tokens(model):
            lean = model(**INPUTS).logits
            hidden = model.base_model(**INPUTS).last_hidden_state
        after = model(**INPUTS).logits
    assert hidden.shape == (3, 1, 24)
    assert whole.std() > 0.01
    torch.testing.assert_close(lean, whole, rtol=0, atol=1e-6)
    assert torch.equal(after, whole)


def test_a_model_whose_head_reads_all_tokens_is_left_alone() -> None:
    config = AutoConfig.for_model("modernbert", **SIZES, bos_token_id=None, eos_token_id=None)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.inference_mode(), only_first_tokens(model):
        hidden = model.base_model(**INPUTS).last_hidden_state
    assert hidden.shape == (3, 10, 24)


def test_onnx_runtime_keeps_layer_norms_apart(exact: tuple[Path, Shipped], tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        str(exact[0] / ONNX_FILE), options, providers=["CPUExecutionProvider"]
    )
    found = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert {"LayerNormalization", "Sum"} <= found
    assert "SkipLayerNormalization" not in found
