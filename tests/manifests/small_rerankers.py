"""Tiny random re-rankers of public architectures, with tokenizers built on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

QUERY = "how do plants eat"
TEXTS = [
    "light becomes sugar in leaves",
    "rome",
    "a longer passage about plants and {query} braces " * 40,
    "",
    "roots drink  water\nand salts ",
]
T5_KINDS = ("monot5", "rankt5", "duot5")
CAUSAL_KINDS = ("qwen3-reranker", "mxbai-rerank-v2", "bge-reranker-gemma")
_WORDS = [*" ".join(TEXTS).split(), *QUERY.split(), "Query:", "Document:", "Document0:"]
_WORDS += ["Document1:", "Relevant:", "true", "false", "yes", "no", "Yes", "No", "1", "0"]


def save_t5(folder: Path, **sizes: object) -> Path:
    """Saves a T5 whose tokenizer has the answers of monoT5 and RankT5."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(1)
    tokenizer = _unigram()
    config = T5Config(
        **{  # type: ignore[arg-type]  # each is one of its parameters
            "vocab_size": len(tokenizer),
            "d_model": 32,
            "d_kv": 16,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 2,
            "decoder_start_token_id": 0,
            "initializer_factor": 1.0,
            **sizes,
        }
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_causal(folder: Path, kind: str, **sizes: object) -> Path:
    """Saves a causal model of the class of `kind`, one of `CAUSAL_KINDS`."""
    import torch
    import transformers

    torch.manual_seed(2)
    name = {"qwen3-reranker": "Qwen3", "mxbai-rerank-v2": "Qwen2"}.get(kind, "Gemma")
    tokenizer = _byte_pairs(bos="<bos>" if name == "Gemma" else None)
    shape: dict[str, object] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 2048,
        "initializer_range": 0.3,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **sizes,
    }
    if name == "Qwen2":
        del shape["head_dim"]
    config = getattr(transformers, f"{name}Config")(**shape)
    getattr(transformers, f"{name}ForCausalLM")(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _unigram() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "</s>", "<unk>"]
    signs = sorted({sign for word in _WORDS for sign in word} | set("▁.,?"))
    words = [f"▁{word}" for word in dict.fromkeys(_WORDS)]
    pieces = [(piece, 0.0) for piece in special]
    pieces += [(sign, -9.0) for sign in signs] + [(word, -3.0) for word in words]
    pieces += [(f"<extra_id_{number}>", 0.0) for number in range(11)]
    bare: Tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    bare.normalizer = normalizers.Replace(" +", " ")
    bare.pre_tokenizer = pre_tokenizers.Metaspace()
    bare.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # untyped there
        tokenizer_object=bare, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def _byte_pairs(bos: str | None) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare: Tokenizer = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *([bos] if bos else [])]
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator([f"{word}\n {word}" for word in _WORDS] * 3, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # untyped there
        tokenizer_object=bare,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        **({"bos_token": bos} if bos else {}),
    )
