"""Re-rankers in lightning-ir's layout, such as the paper's own `webis/monoelectra-base`.

A body of transformers and, beside its weights, a linear layer over one pooled vector. Source:
lightning_ir.models.cross_encoders.mono (version 0.0.6) and the configurations of the released
models, whose classes are FlashMonoElectraModel, CrossEncoderElectraModel and MonoElectraModel.
"""

from __future__ import annotations

import inspect
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.loading_report import load_weights
from rankgen.students.model.cuts import Cuts
from rankgen.students.model.families.layout import Layout
from rankgen.students.model.families.loaded import Loaded
from rankgen.students.model.families.modular_files import HeadPart, save_modules
from rankgen.students.model.families.reading import pair_reading
from rankgen.students.model.pooled_model import Dense, PooledModel

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

# The kinds of lightning-ir's model_type that score one pair at a time.
_MONO = ("cross-encoder", "mono")
_NAME = re.compile(r"(?:Flash)?(?:CrossEncoder|Mono)[A-Z]\w*Model")
_POOLINGS = {"first": "cls", "mean": "mean", "sum": "sum", "max": "max"}


def is_lightning_ir(layout: Layout) -> bool:
    """Tells whether config.json is lightning-ir's."""
    kind = str(layout.config.get("model_type"))
    return "backbone_model_type" in layout.config or (
        kind.startswith("mono-") and _NAME.fullmatch(layout.architecture) is not None
    )


def body_config(layout: Layout) -> PretrainedConfig:
    """Returns the configuration of the body.

    Raises:
        UsageError: The model ranks lists instead of scoring pairs, or its body is unknown.
    """
    from transformers import CONFIG_MAPPING

    kind = str(layout.config.get("model_type"))
    body = layout.config.get("backbone_model_type") or kind.removeprefix("mono-")
    if kind not in _MONO and not kind.startswith("mono-"):
        raise UsageError(
            f"{layout.source} is a model of lightning-ir's kind '{kind}', which does not score one "
            "pair at a time",
            "name one of the kind 'mono' or 'cross-encoder', such as webis/monoelectra-base",
        )
    if body not in CONFIG_MAPPING or body == "t5":
        raise UsageError(
            f"{layout.source} has a body that is not supported: {body}",
            "name one with a body such as electra or bert",
        )
    left_out = ("model_type", "backbone_model_type", "architectures", "auto_map")
    given = {name: value for name, value in layout.config.items() if name not in left_out}
    found: PretrainedConfig = CONFIG_MAPPING[body].from_dict(given)
    return found


def load_lightning_ir(layout: Layout, config: PretrainedConfig) -> Loaded:
    """Loads the body and the linear layer over it.

    Raises:
        UsageError: The pooling is unknown.
    """
    named = str(layout.config.get("pooling_strategy", "first"))
    if named not in _POOLINGS:
        raise UsageError(
            f"the pooling of {layout.source} is not supported: {named}",
            f"name a model with one of {', '.join(_POOLINGS)}",
        )
    body, linear, lacking = _body_and_linear(layout, config)
    dense = Dense(
        linear.in_features,
        linear.out_features,
        bias=linear.bias is not None,
        activation=torch.nn.Identity(),
    )
    dense.linear = linear
    pooling = _POOLINGS[named]
    model = PooledModel(body, pooling, torch.nn.Sequential(dense))
    reading = pair_reading(layout, config)
    settings = {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": "torch.nn.modules.linear.Identity",
        "module_input_name": "sentence_embedding",
        "module_output_name": "scores",
    }
    parts = (HeadPart("Dense", settings, dense),)
    return Loaded(
        model=model,
        tokenizer=reading.tokenizer,
        kind=f"a cross-encoder of lightning-ir ({layout.architecture})",
        lacking=frozenset(_renamed(name) for name in lacking),
        relevant=1 if linear.out_features == 2 else None,
        pair_tokens=reading.pair_tokens,
        cuts=_cuts(layout, reading.pair_tokens),
        save=partial(save_modules, pooling=pooling, parts=parts, prompt=""),
    )


def _body_and_linear(
    layout: Layout, config: PretrainedConfig
) -> tuple[PreTrainedModel, torch.nn.Linear, set[str]]:
    """Returns the body, the layer over it, and the names of weights that the checkpoint lacks."""
    outputs = 2 if layout.config.get("scoring_strategy") == "mono" else 1
    bias = bool(layout.config.get("linear_bias", False))
    combined, lacking = load_weights(
        _with_linear(config, outputs, bias=bias), layout.source, config=config, dtype=torch.float32
    )
    # The layer moves out of the body, which becomes the plain class of transformers.
    linear = combined.linear
    assert isinstance(linear, torch.nn.Linear)
    del combined.linear
    combined.__class__ = type(combined).__mro__[1]
    return combined, linear, lacking


def _with_linear(config: PretrainedConfig, outputs: int, *, bias: bool) -> type[PreTrainedModel]:
    from transformers import MODEL_MAPPING

    named: Any = MODEL_MAPPING[type(config)]
    base: Any = named[0] if isinstance(named, tuple) else named
    # Nothing reads the pooler of a BERT here.
    has_pooler = "add_pooling_layer" in inspect.signature(base.__init__).parameters
    options = {"add_pooling_layer": False} if has_pooler else {}

    # The base is known only when this runs, so no type checker can read it.
    class WithLinear(base):  # type: ignore[misc]
        def __init__(self, config: PretrainedConfig) -> None:
            super().__init__(config, **options)
            self.linear = torch.nn.Linear(config.hidden_size, outputs, bias=bias)
            self.post_init()

    return WithLinear


def _renamed(name: str) -> str:
    """Returns the name that a weight of the checkpoint has in the `PooledModel`."""
    return f"head.0.{name}" if name.startswith("linear.") else f"body.{name}"


def _cuts(layout: Layout, pair_tokens: int) -> Cuts:
    lengths = (layout.config.get(name) for name in ("query_length", "doc_length"))
    return Cuts(*(int(length or pair_tokens) for length in lengths))
