"""Tiny random re-rankers in the layouts that people publish, saved by the libraries themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

VOCABULARY = 30522
# Wide enough that scores differ visibly between passages.
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
# Tokens of a pair that the models below can read.
ROOM = 48
ROLES = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }} {% endfor %}"
    "relevant, yes or no?"
)
WITHOUT_DOCUMENT = ROLES.replace(
    "{{ message.content }}", "{{ message.content if message.role != 'document' }}"
)
LAYOUTS = (
    "one logit",
    "two logits",
    "two logits of a roberta",
    "modules",
    "modules with a mean",
    "log score",
    "chat",
    "chat classifier",
)


def make(layout: str, folder: Path, tokenizer_of: str) -> Path:
    """Saves a model in one of `LAYOUTS`."""
    torch.manual_seed(3)
    tokenizer = saved_tokenizer(folder, tokenizer_of)
    if layout in ("one logit", "two logits"):
        _classifier("Bert", folder, 1 + (layout == "two logits"), max_position_embeddings=ROOM)
    elif layout == "two logits of a roberta":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
        tokenizer.save_pretrained(folder)
        _classifier("XLMRoberta", folder, 2, max_position_embeddings=ROOM + 2)
    elif layout.startswith("modules"):
        _modules(folder, is_mean=layout.endswith("mean"))
    else:
        (folder / "chat_template.jinja").write_text(ROLES)
        _causal(layout, folder)
    return folder


def saved_tokenizer(folder: Path, tokenizer_of: str) -> Any:
    """Saves a tokenizer that reads `ROOM` tokens."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tokenizer_of)
    tokenizer.model_max_length = ROOM
    tokenizer.save_pretrained(folder)
    return tokenizer


def _classifier(family: str, folder: Path, outputs: int, **sizes: object) -> None:
    import transformers

    config = getattr(transformers, f"{family}Config")(**SIZES, **sizes, num_labels=outputs)
    getattr(transformers, f"{family}ForSequenceClassification")(config).save_pretrained(folder)


def _modules(folder: Path, *, is_mean: bool) -> None:
    """As Ettin's: a ModernBERT, its first token, and a head of Dense and LayerNorm."""
    from sentence_transformers import CrossEncoder
    from sentence_transformers.sentence_transformer import modules
    from transformers import ElectraConfig, ElectraModel, ModernBertConfig, ModernBertModel

    if is_mean:
        config = ElectraConfig(**SIZES, embedding_size=16, max_position_embeddings=ROOM)
        ElectraModel(config).save_pretrained(folder)
    else:
        config = ModernBertConfig(**SIZES, local_attention=8, cls_token_id=101, sep_token_id=102)
        ModernBertModel(config).save_pretrained(folder)
    parts: Sequence[torch.nn.Module] = [
        modules.Transformer(str(folder), max_seq_length=ROOM),
        modules.Pooling(32, pooling_mode="mean" if is_mean else "cls"),
        modules.Dense(32, 32, bias=False, activation_function=torch.nn.GELU()),
        modules.LayerNorm(32),
        modules.Dense(32, 1, activation_function=torch.nn.Identity(), module_output_name="scores"),
    ]
    prompt = {"prompts": {"web": "about the garden: "}, "default_prompt_name": "web"}
    options: dict[str, Any] = prompt if is_mean else {}
    CrossEncoder(modules=list(parts), **options).save_pretrained(str(folder))


def _causal(layout: str, folder: Path) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3ForSequenceClassification

    config = Qwen3Config(
        **SIZES, num_key_value_heads=1, head_dim=16, max_position_embeddings=256, num_labels=1
    )
    of_class = Qwen3ForSequenceClassification if "classifier" in layout else Qwen3ForCausalLM
    of_class(config).save_pretrained(folder)
    if layout != "log score":
        return
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.modules import LogitScore
    from sentence_transformers.sentence_transformer.modules import Transformer

    parts = [
        Transformer(str(folder), transformer_task="text-generation"),
        LogitScore(true_token_id=2748, false_token_id=2053),
    ]
    model = CrossEncoder(
        modules=parts, prompts={"web": "is it about plants"}, default_prompt_name="web"
    )
    model.save_pretrained(str(folder))


def lightning_ir(folder: Path, tokenizer_of: str, **options: object) -> torch.nn.Module:
    """Saves a model of lightning-ir's own class as the paper's models are published."""
    from lightning_ir.base.class_factory import LightningIRModelClassFactory
    from lightning_ir.models.cross_encoders.mono import MonoConfig, MonoModel  # noqa: F401  # the import registers it
    from transformers import ElectraModel

    torch.manual_seed(4)
    of_class = LightningIRModelClassFactory(MonoConfig).from_backbone_class(ElectraModel)
    config = of_class.config_class(
        **SIZES, embedding_size=16, max_position_embeddings=ROOM, query_length=8, doc_length=12
    )
    # Its configurations do not set these themselves under transformers 5.
    given = {"scoring_strategy": "rank", "pooling_strategy": "first", "linear_bias": False}
    given |= {"_bert_pool": False, "use_adapter": False, "adapter_config": None}
    for name, value in {**given, "pretrained_adapter_name_or_path": None, **options}.items():
        setattr(config, name, value)
    model: Any = of_class(config).eval()
    model.save_pretrained(folder)
    saved_tokenizer(folder, tokenizer_of)
    written = json.loads((folder / "config.json").read_text())
    # As in webis/monoelectra-large.
    written |= {"architectures": ["CrossEncoderElectraModel"], "model_type": "cross-encoder"}
    (folder / "config.json").write_text(json.dumps(written | {"backbone_model_type": "electra"}))
    assert isinstance(model, torch.nn.Module)
    return model
