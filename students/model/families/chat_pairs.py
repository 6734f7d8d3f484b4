"""Pairs that are rendered by a chat template, as sentence-transformers renders them.

The template gets one message of the role "query" and one of the role "document". A text that is
too long is cut at its end, and then the template's own end is put back over the last tokens, as a
model that answers reads it. Source: sentence_transformers.base.modules.transformer (version 6.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts
from rankgen.students.model.families.processing import Processing
from rankgen.students.model.pair_template import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_HINT = "choose a re-ranker whose chat template has the roles 'query' and 'document'"
# Two contents that begin and end with other tokens.
_PROBES = ("0", "1 2 3 4")


class ChatPairs:
    """Renders pairs by a tokenizer's chat template.

    Args:
        tokenizer: A tokenizer with a chat template.
        pair_tokens: Most tokens of a pair.
        system: The text of a system message; empty for none.
        processing: How sentence-transformers was told to render and cut them.
        pads_left: Whether shorter pairs are padded at their start.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        pair_tokens: int,
        system: str,
        processing: Processing,
        *,
        pads_left: bool,
    ) -> None:
        self._tokenizer, self.pair_tokens, self.pads_left = tokenizer, pair_tokens, pads_left
        self._system, self._processing = system, processing
        self._has_parts = processing.format == "structured"
        self._end: Ids | None = None

    def ids(self, queries: Sequence[str], passages: Sequence[str]) -> list[Ids]:
        """Returns the token ids of each pair, at most `pair_tokens`, with the template's end."""
        cut: list[Ids] = []
        for whole in self._whole(queries, passages):
            keeps_end = self._tokenizer.truncation_side == "left"
            kept = whole[-self.pair_tokens :] if keeps_end else whole[: self.pair_tokens]
            if len(whole) > self.pair_tokens and self._processing.restores_end:
                end = self._ending()[-self.pair_tokens :]
                kept = np.concatenate((kept[: len(kept) - len(end)], end))
            cut.append(kept)
        return cut

    def check(self, who: str) -> None:
        """Proves that query and passage both reach the model.

        Raises:
            UsageError: One of them does not.
        """

        def shown(query: str, passage: str) -> list[int]:
            try:
                (ids,) = self.ids([query], [passage])
            # Templates raise whatever they like.
            except Exception as error:
                raise UsageError(
                    f"{who} cannot be shown a query and a passage: {reason_of(error)}", _HINT
                ) from None
            return list(ids.tolist())

        refuse_lost_texts(who, shown)

    def _whole(self, queries: Sequence[str], passages: Sequence[str]) -> list[Ids]:
        system = [self._message("system", self._system)] if self._system else []
        messages = [
            [*system, self._message("query", query), self._message("document", passage)]
            for query, passage in zip(queries, passages, strict=True)
        ]
        # Its annotation knows no messages with parts.
        render: Any = self._tokenizer.apply_chat_template
        texts = render(messages, tokenize=False, **self._processing.template)
        found = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [np.asarray(ids, dtype=np.int32) for ids in found]

    def _message(self, role: str, text: str) -> dict[str, object]:
        content = [{"type": "text", "text": text}] if self._has_parts else text
        return {"role": role, "content": content}

    def _ending(self) -> Ids:
        """Returns the tokens at the end of every pair, whatever its texts."""
        if self._end is None:
            one, other = self._whole(_PROBES, _PROBES)
            same = 0
            while same < min(len(one), len(other)) and one[-1 - same] == other[-1 - same]:
                same += 1
            self._end = one[len(one) - same :] if same < min(len(one), len(other)) else one[:0]
        return self._end
