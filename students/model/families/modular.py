"""Re-rankers that sentence-transformers makes of modules, such as Ettin's.

A body of transformers, a pooling, and layers of which the last one gives the score. Source of the
format: sentence_transformers.base.model and its modules (version 6.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.models.loading_report import load_weights
from rankgen.manifests.models.two_outputs import relevant_output
from rankgen.students.model.families.layout import Layout, Module
from rankgen.students.model.families.loaded import Loaded
from rankgen.students.model.families.modular_files import HeadPart, save_modules
from rankgen.students.model.families.reading import PairReading, pair_reading
from rankgen.students.model.pooled_model import POOLINGS, Dense, LayerNorm, Normalize, PooledModel
from rankgen.students.model.student_model import HeadedModel

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_HINT = "name a re-ranker of a Transformer, a Pooling and layers such as Dense"
_SCORES, _VECTOR = "scores", "sentence_embedding"
# Names that older versions of sentence-transformers used for the same poolings.
_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def is_modular(layout: Layout) -> bool:
    """Tells whether a checkpoint is a body, a pooling and a Dense that gives scores."""
    kinds = layout.module_kinds
    if kinds[:2] != ("Transformer", "Pooling"):
        return False
    last = layout.modules[-1]
    return last.kind == "Dense" and layout.settings_of(last).get("module_output_name") == _SCORES


def load_modular(layout: Layout, config: PretrainedConfig) -> Loaded:
    """Loads body, pooling and head.

    Raises:
        UsageError: A module is unknown, damaged or without its weights.
    """
    pooling = _pooling(layout, layout.modules[1])
    body, lacking = load_weights("AutoModel", layout.source, config=config, dtype=torch.float32)
    parts = [_part(layout, module) for module in layout.modules[2:]]
    head = torch.nn.Sequential(*(part.layer for part in parts))
    width = int(parts[-1].settings["out_features"])
    if width not in (1, 2):
        raise UsageError(
            f"{layout.source} is not a cross-encoder: its last module gives {width} scores per "
            "pair",
            "name a re-ranker with one",
        )
    relevant = relevant_output(layout.source, config) if width == 2 else None
    reading = pair_reading(layout, config)
    model = PooledModel(body, pooling, head, _left_out(layout, reading))
    # transformers adds a pooler to some bodies, which this head does not read.
    needed = {name for name in lacking if not name.startswith("pooler.")}
    kinds = " + ".join(layout.module_kinds)
    return Loaded(
        model=model,
        tokenizer=reading.tokenizer,
        kind=f"a re-ranker of sentence-transformers' modules ({kinds})",
        lacking=frozenset(f"{HeadedModel.base_model_prefix}.{name}" for name in needed),
        relevant=relevant,
        whole=reading.whole,
        pair_tokens=reading.pair_tokens,
        prompt=reading.prompt,
        save=partial(save_modules, pooling=pooling, parts=tuple(parts), prompt=reading.prompt),
    )


def _pooling(layout: Layout, module: Module) -> str:
    settings = layout.settings_of(module)
    named = settings.get("pooling_mode") or [
        mode for name, mode in _OLD_POOLINGS.items() if settings.get(name)
    ]
    modes = [named] if isinstance(named, str) else list(named)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise UsageError(
            f"the pooling of {layout.source} is not supported: {', '.join(modes) or 'none'}",
            f"name a re-ranker with one of {', '.join(POOLINGS)}",
        )
    return str(modes[0])


def _left_out(layout: Layout, reading: PairReading) -> int:
    """Returns how many tokens at a pair's start, those of its prompt, the pooling leaves out."""
    if not reading.prompt or layout.settings_of(layout.modules[1]).get("include_prompt", True):
        return 0
    ids = reading.tokenizer(reading.prompt)["input_ids"]
    return len(ids) - (ids[-1] in reading.tokenizer.all_special_ids)


def _part(layout: Layout, module: Module) -> HeadPart:
    settings = layout.settings_of(module)
    is_last = module is layout.modules[-1]
    given = settings.get("module_input_name") or _VECTOR
    made = settings.get("module_output_name") or given
    if (given, made) != (_VECTOR, _SCORES if is_last else _VECTOR):
        raise UsageError(
            f"module {module.path} of {layout.source} turns {given} into {made}, which is not a "
            "chain of layers",
            _HINT,
        )
    layer = _layer(layout, module, settings)
    if any(True for _ in layer.parameters()):
        _load_layer(layout, module, layer)
    return HeadPart(module.kind, settings, layer)


def _layer(layout: Layout, module: Module, settings: Mapping[str, Any]) -> torch.nn.Module:
    if module.kind == "Dense":
        return Dense(
            int(settings["in_features"]),
            int(settings["out_features"]),
            bias=bool(settings.get("bias", True)),
            activation=_activation(layout, settings.get("activation_function")),
            use_residual=bool(settings.get("use_residual", False)),
        )
    if module.kind == "LayerNorm":
        return LayerNorm(int(settings["dimension"]))
    if module.kind == "Dropout":
        return torch.nn.Dropout(float(settings.get("dropout", 0.2)))
    if module.kind == "Normalize":
        return Normalize()
    raise UsageError(f"{layout.source} has a module that is not supported: {module.kind}", _HINT)


def _activation(layout: Layout, named: object) -> torch.nn.Module:
    if named is None:
        return torch.nn.Tanh()
    name = str(named)
    found = getattr(torch.nn, name.rpartition(".")[2], None)
    if not name.startswith("torch.nn.") or not isinstance(found, type):
        raise UsageError(
            f"the activation of {layout.source} is not one of PyTorch's: {name}", _HINT
        )
    made = found()
    assert isinstance(made, torch.nn.Module)
    return made


def _load_layer(layout: Layout, module: Module, layer: torch.nn.Module) -> None:
    from safetensors.torch import load_file

    name = f"{module.path}/model.safetensors"
    path = layout.file(name)
    old = None if path else layout.file(f"{module.path}/pytorch_model.bin")
    try:
        if path is not None:
            stored = load_file(path)
        elif old is not None:
            stored = torch.load(old, map_location="cpu", weights_only=True)
        else:
            raise FileNotFoundError(f"there is no {name}")
        needed = layer.state_dict()
        if lacking := [
            n for n, t in needed.items() if n not in stored or stored[n].shape != t.shape
        ]:
            raise KeyError(f"{lacking[0]} is missing or has another shape")
        layer.load_state_dict({name: stored[name] for name in needed})
    # Damaged files raise errors from safetensors, zipfile, pickle and PyTorch.
    except Exception as error:
        raise UsageError(
            f"the weights of module {module.path} of {layout.source} cannot be loaded: "
            f"{reason_of(error)}",
            "name a whole checkpoint; missing weights would be drawn at random",
        ) from None
