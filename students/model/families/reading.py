"""How a checkpoint's own library makes the input of a pair: tokenizer, cut and template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.loading_report import load_part
from rankgen.students.model.cuts import CUTS_ENTRY
from rankgen.students.model.families.chat_pairs import ChatPairs
from rankgen.students.model.families.layout import Layout
from rankgen.students.model.families.loaded import WholePairs
from rankgen.students.model.families.processing import Processing, loading_of, processing_of
from rankgen.students.model.tokens import without_presets

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

# For models that would read any length: one passage must not fill the memory.
MOST_TOKENS = 8192
# The entry of a student's config.json that says that its pairs are rendered by the chat template.
_CHAT = "chat_template"
CHAT_ENTRY = {_CHAT: True}
# These count positions from the id of padding + 1, so that those before are never used.
_RESERVING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)


@dataclass(frozen=True)
class PairReading:
    """The tokenizer without presets, and what `Loaded` says of pairs."""

    tokenizer: PreTrainedTokenizerBase
    pair_tokens: int
    whole: WholePairs | None
    prompt: str


def pair_reading(
    layout: Layout, config: PretrainedConfig, *, is_causal: bool = False, is_bare: bool = False
) -> PairReading:
    """Loads the tokenizer and tells how sentence-transformers would use it.

    Args:
        layout: The checkpoint.
        config: The configuration of its body.
        is_causal: Whether the last token of a pair is read.
        is_bare: Whether its head is new, so that it is given the tokenizer's own pairs.

    Raises:
        UsageError: The tokenizer cannot be loaded, or its template leaves out a text.
    """
    settings = layout.transformer_settings()
    loading = {} if is_bare else loading_of(layout)
    tokenizer = without_presets(load_part("AutoTokenizer", layout.tokenizer_source, **loading))
    if settings.get("do_lower_case"):
        _lower(tokenizer)
    if is_bare:
        most = _room(layout, config, tokenizer, Processing(most=settings.get("max_seq_length")))
        return PairReading(tokenizer, most, None, "")
    is_chat = _is_chat(layout, tokenizer, settings)
    processing = processing_of(layout, is_chat=is_chat)
    most = _room(layout, config, tokenizer, processing)
    if not is_chat:
        return PairReading(tokenizer, most, None, layout.prompt())
    whole = ChatPairs(tokenizer, most, layout.prompt(), processing, pads_left=is_causal)
    whole.check(f"the student {layout.source}")
    return PairReading(tokenizer, most, whole, "")


def _room(
    layout: Layout,
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    processing: Processing,
) -> int:
    """Returns the most tokens of a pair, as sentence-transformers would cut it."""
    told = processing.most or tokenizer.model_max_length if processing.cuts else MOST_TOKENS
    if not isinstance(told, int | float) or told < 1:
        raise UsageError(
            f"the tokenizer of {layout.source} cuts pairs after {told!r} tokens, which is not a "
            "number of tokens",
            "correct model_max_length in its tokenizer_config.json",
        )
    return int(min(told, room_of(config) or told, MOST_TOKENS))


def room_of(config: PretrainedConfig) -> int | None:
    """Returns how many tokens a model has positions for, or None if it says nothing of it."""
    room = getattr(config, "max_position_embeddings", None)
    if room is None or room <= 0:
        return None
    padding = getattr(config, "pad_token_id", None)
    if config.model_type in _RESERVING and isinstance(padding, int):
        return int(room) - padding - 1
    return int(room)


def _is_chat(layout: Layout, tokenizer: PreTrainedTokenizerBase, settings: dict[str, Any]) -> bool:
    """Tells whether sentence-transformers renders pairs by the chat template.

    It does where there is one, unless the checkpoint was saved by a version that knew none.
    Students of rankgen say whether they were trained so; else they get the tokenizer's own pairs.
    """
    trained = layout.config.get(CUTS_ENTRY)
    if trained is not None:
        return isinstance(trained, dict) and bool(trained.get(_CHAT))
    if layout.modules:
        return "message" in (settings.get("modality_config") or {})
    return tokenizer.chat_template is not None


def _lower(tokenizer: PreTrainedTokenizerBase) -> None:
    from tokenizers.normalizers import Lowercase, Normalizer, Sequence

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return
    parts: list[Normalizer] = [Lowercase()]
    if backend.normalizer is not None:
        parts.append(backend.normalizer)
    backend.normalizer = Sequence(parts)
