"""Tokenises each text once, into one flat array of token ids."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.progress import progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCH_TEXTS = 1024
# With fewer texts than this a progress bar is not worthwhile.
MANY_TEXTS = 20_000


@dataclass(frozen=True)
class TokenStore:
    """Token ids of many texts, without special tokens.

    Attributes:
        ids: The token ids of all texts, concatenated, shape (tokens,).
        offsets: Text number t is ids[offsets[t]:offsets[t + 1]], shape (texts + 1,).
        position: Key -> number of its text.
        uncut: Tokens of each text before it was cut, shape (texts,).
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    position: Mapping[str, int]
    uncut: NDArray[np.int64]

    def __getitem__(self, key: str) -> NDArray[np.int32]:
        """Returns the token ids of one text as a view, shape (tokens of the text,)."""
        number = self.position[key]
        return self.ids[self.offsets[number] : self.offsets[number + 1]]

    def length(self, key: str) -> int:
        """Returns the number of tokens that a text has, uncut."""
        return int(self.uncut[self.position[key]])

    def __len__(self) -> int:
        return len(self.position)


def without_presets(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Removes the truncation and padding that a tokenizer.json may preset.

    That of all-MiniLM-L6-v2, for example, would silently cut and pad every pair to 128 tokens.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()
    return tokenizer


def tokenise(
    tokenizer: PreTrainedTokenizerBase,
    texts: Mapping[str, str],
    max_tokens: int,
    *,
    keeps_end: bool = False,
) -> TokenStore:
    """Tokenises every text once and cuts it after `max_tokens` tokens.

    Args:
        tokenizer: A tokenizer without presets; see `without_presets`.
        texts: Key, such as a document id, -> text.
        max_tokens: Maximum number of tokens per text, at least 1.
        keeps_end: Whether the last tokens of a longer text are kept instead of the first.
    """
    kept = slice(-max_tokens, None) if keeps_end else slice(max_tokens)
    keys, values = list(texts), list(texts.values())
    pieces: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    is_long = len(values) >= MANY_TEXTS
    with progress("tokenise", len(values)) if is_long else nullcontext() as shown:
        for start in range(0, len(values), BATCH_TEXTS):
            encoded = tokenizer(
                values[start : start + BATCH_TEXTS],
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
            pieces.extend(np.asarray(ids[kept], dtype=np.int32) for ids in encoded)
            lengths.extend(map(len, encoded))
            if shown is not None:
                shown.advance(len(encoded))
    offsets = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    ids = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32)
    position = {key: number for number, key in enumerate(keys)}
    return TokenStore(ids, offsets, position, np.asarray(lengths, dtype=np.int64))
