"""A T5 or causal language model as a re-ranker: the first token of its answer scores a pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankgen.manifests.models.families import Family
from rankgen.manifests.models.loading_report import load_part, load_weights, refuse_lacking
from rankgen.manifests.models.pair_ids import answer_ids, pair_ids, whole_limit
from rankgen.manifests.models.pair_prompts import AnswerScore, PairPrompt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class PairTokenizer:
    """Turns pairs into a model's token ids; needs no weights.

    Args:
        model: A folder, a model id, or "ID@COMMIT".
        prompt: How a pair is shown, with its instruction.
        max_length: Most tokens in all; None for the prompt's own limit.

    Attributes:
        prompt: As given.
        max_length: Most tokens in all.
        tokenizer: The model's.
        answers: The ids of yes and no.

    Raises:
        UsageError: The tokenizer cannot be loaded, or lacks an answer of the prompt.
    """

    def __init__(self, model: str, prompt: PairPrompt, max_length: int | None = None) -> None:
        self.prompt = prompt
        self.tokenizer: PreTrainedTokenizerBase = load_part("AutoTokenizer", model)
        self.max_length = max_length or whole_limit(self.tokenizer, prompt)
        self.answers = answer_ids(self.tokenizer, prompt, model)

    def ids(self, query: str, passage: str, other: str = "") -> list[int]:
        """Returns the whole prompt about a pair; see `pair_ids`."""
        return pair_ids(self.tokenizer, self.prompt, query, passage, self.max_length, other)


class PairModel:
    """Scores pairs; every weight is the checkpoint's.

    Args:
        model: A folder, a model id, or "ID@COMMIT".
        family: Its kind, "causal" or "seq2seq", with the prompt.
        dtype: The number format, such as "float32".
        device: "cpu", "cuda" or another name that PyTorch knows.
        max_length: See `PairTokenizer`.

    Attributes:
        pairs: Makes its token ids.
        model: The loaded model, in evaluation mode.

    Raises:
        UsageError: The model cannot be loaded, or lacks weights or an answer.
    """

    def __init__(
        self,
        model: str,
        family: Family,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        max_length: int | None = None,
    ) -> None:
        import torch

        if family.prompt is None:
            raise ValueError(f"{model} has no pair prompt")
        self.pairs = PairTokenizer(model, family.prompt, max_length)
        self._is_causal = family.kind == "causal"
        head = "AutoModelForCausalLM" if self._is_causal else "AutoModelForSeq2SeqLM"
        # transformers names neither the type of its models nor of their `to`.
        loaded, lacking = load_weights(head, model, dtype=getattr(torch, dtype))  # type: ignore[arg-type]
        refuse_lacking(model, loaded, lacking, lambda _, name: False)
        self.model = loaded.to(device).eval()  # type: ignore[arg-type]

    def scores(self, prompts: Sequence[Sequence[int]]) -> list[float]:
        """Returns the score of each prompt of token ids, higher is better."""
        import torch

        with torch.inference_mode():
            yes, no = self.answer_logits(prompts)
            found: list[float] = answer_score(self.pairs.prompt.score, yes, no).tolist()
        return found

    def answer_logits(
        self, prompts: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns the float32 logits of yes and of no for each prompt, both of shape [prompts]."""
        logits = (self._last if self._is_causal else self._first)(prompts).float()
        yes, no = self.pairs.answers
        return logits[:, yes], None if no is None else logits[:, no]

    def _last(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        # On the left, so that the logits asked for are in the last column.
        ids, mask = self._padded(prompts, is_left=True)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        output = self.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _first(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        import torch

        ids, mask = self._padded(prompts, is_left=False)
        start = self.model.config.decoder_start_token_id
        begun = torch.full((len(prompts), 1), start, device=ids.device)
        output = self.model(input_ids=ids, attention_mask=mask, decoder_input_ids=begun)
        logits: torch.Tensor = output.logits[:, 0]
        return logits

    def _padded(
        self, prompts: Sequence[Sequence[int]], *, is_left: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        longest = max(map(len, prompts))
        # Where the mask is 0, the id does not matter.
        ids = torch.zeros((len(prompts), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            span = slice(longest - len(prompt), None) if is_left else slice(len(prompt))
            ids[row, span] = torch.tensor(prompt)
            mask[row, span] = 1
        return ids.to(self.model.device), mask.to(self.model.device)


def answer_score(score: AnswerScore, yes: torch.Tensor, no: torch.Tensor | None) -> torch.Tensor:
    """Returns scores of the answers' logits, of the same shape."""
    import torch

    if score == "logit" or no is None:
        return yes
    if score == "log odds":
        return yes - no
    # Equal to log_softmax, which becomes exactly 0 in float32 from a difference of 17 on.
    return torch.nn.functional.logsigmoid(yes - no)
