"""How a checkpoint's own library makes the input of a pair: tokenizer, cut and template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rankgen.manifests.models.loading_report import load_part
from rankgen.students.model.cuts import CUTS_ENTRY
from rankgen.students.model.families.chat_pairs import ChatPairs
from rankgen.students.model.families.layout import Layout
from rankgen.students.model.families.loaded import WholePairs
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
        "longformer",
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
    tokenizer = without_presets(load_part("AutoTokenizer", layout.source))
    settings = layout.transformer_settings()
    if settings.get("do_lower_case"):
        _lower(tokenizer)
    most = pair_room(layout, config, tokenizer)
    prompt = "" if is_bare else layout.prompt()
    whole = None
    if not is_bare and _is_chat(layout, tokenizer, settings):
        options = (settings.get("processing_kwargs") or {}).get("chat_template") or {}
        whole = ChatPairs(tokenizer, most, prompt, options, pads_left=is_causal)
        whole.check(f"the student {layout.source}")
    return PairReading(tokenizer, most, whole, "" if whole else prompt)


def pair_room(layout: Layout, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns the most tokens of a pair, as sentence-transformers would cut it."""
    told = layout.transformer_settings().get("max_seq_length") or tokenizer.model_max_length
    return int(min(told, room_of(config) or told, MOST_TOKENS))


def room_of(config: PretrainedConfig) -> int | None:
    """Returns how many tokens a model has positions for, or None if it says nothing of it."""
    room = getattr(config, "max_position_embeddings", None)
    if room is None or room <= 0:
        return None
    padding = getattr(config, "pad_token_id", None)
    is_reserving = config.model_type in _RESERVING and padding is not None
    return int(room) - (int(padding or 0) + 1 if is_reserving else 0)


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
