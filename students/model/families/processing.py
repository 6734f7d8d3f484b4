"""What a checkpoint of sentence-transformers says of how its tokenizer is loaded and called.

Source of the format: sentence_transformers.base.modules.transformer (version 6.2), whose
sentence_bert_config.json holds `processor_kwargs` for the loading and `processing_kwargs` for the
calls. What is neither understood nor without effect is refused: other tokens give other scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rankgen.manifests.errors import UsageError
from rankgen.students.model.families.layout import Layout

_HINT = "name a re-ranker whose sentence_bert_config.json leaves tokens as its tokenizer makes them"
# The older name is the first one.
LOADING = ("tokenizer_args", "processor_kwargs")
# A checkpoint does not decide where files come from, or whether its code runs.
_NOT_ITS_OWN = ("trust_remote_code", "revision", "token", "cache_dir", "local_files_only")
# What is cut, and padding, which no score reads.
_UNDERSTOOD = frozenset(
    {
        "max_length",
        "truncation",
        "padding",
        "padding_side",
        "pad_to_multiple_of",
        "return_tensors",
        "return_attention_mask",
        "logits_to_keep",
        "verbose",
    }
)
_OF_CALLS = ("padding", "truncation", "max_length", "return_tensors", "restore_suffix")
_USUAL_CUTS = (True, "longest_first")
_NO_CUT = (False, "do_not_truncate")
Format = Literal["auto", "flat", "structured"]


@dataclass(frozen=True)
class Processing:
    """How pairs become tokens, as far as it is not the tokenizer's own affair.

    Attributes:
        most: Most tokens of a pair; None where the tokenizer says it.
        cuts: Whether longer pairs are cut.
        restores_end: Whether the end of a chat template is put back after a cut.
        template: Further arguments of a chat template.
        format: Whether a message holds its text, or a list of parts.
    """

    most: int | None = None
    cuts: bool = True
    restores_end: bool = True
    template: Mapping[str, Any] = field(default_factory=dict)
    format: Format = "auto"


def loading_of(layout: Layout) -> dict[str, Any]:
    """Returns the arguments with which the tokenizer is loaded."""
    settings = layout.transformer_settings()
    given: dict[str, Any] = {}
    for name in LOADING:
        given |= settings.get(name) or {}
    return {name: value for name, value in given.items() if name not in _NOT_ITS_OWN}


def processing_of(layout: Layout, *, is_chat: bool) -> Processing:
    """Reads what the files of a checkpoint say.

    Args:
        layout: The checkpoint.
        is_chat: Whether its pairs are rendered by a chat template.

    Raises:
        UsageError: It asks for tokens that rankgen does not make.
    """
    settings = layout.transformer_settings()
    calls = settings.get("processing_kwargs") or {}
    text, common, chat = (calls.get(name) or {} for name in ("text", "common", "chat_template"))
    # Which of two wins is sentence-transformers' choice.
    given = {**common, **text, **_sizes(chat)} if is_chat else {**text, **common}
    cut = given.get("truncation", True)
    unknown = sorted(given.keys() - _UNDERSTOOD)
    if unknown or cut not in (*_USUAL_CUTS, *_NO_CUT):
        asked = unknown[0] if unknown else f"truncation={cut}"
        raise UsageError(
            f"{layout.source} asks its tokenizer for {asked} (processing_kwargs), which is not "
            "supported",
            _HINT,
        )
    most = given.get("max_length")
    if most is None and "model_max_length" not in loading_of(layout):
        most = settings.get("max_seq_length")
    messages = (settings.get("modality_config") or {}).get("message") or {}
    return Processing(
        most=most,
        cuts=cut not in _NO_CUT,
        restores_end=bool(chat.get("restore_suffix", True)),
        template={name: value for name, value in chat.items() if name not in _OF_CALLS},
        format=messages.get("format", "auto"),
    )


def _sizes(chat: Mapping[str, Any]) -> dict[str, Any]:
    return {name: chat[name] for name in ("max_length", "truncation") if name in chat}
