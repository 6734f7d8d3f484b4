"""Keeps vLLM's answers to rankings: masks every token that would not go on with one.

vLLM imports this module by name in the process of its engine, and only there. It is a logits
processor of vLLM's first model runner, so the engine is started with that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from vllm.sampling_params import SamplingParams
from vllm.tokenizers import cached_tokenizer_from_config
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from rankgen.generator.answers.formats import answer_format
from rankgen.generator.answers.ranking_walk import RankingWalk, State
from rankgen.generator.engines.base import AskedRanking
from rankgen.generator.engines.vllm.sampling import RANKING
from rankgen.generator.prompts.token_texts import alphabet, token_texts

if TYPE_CHECKING:
    from vllm.config import VllmConfig


class _Answer:
    """A request's answer: its walk, and how many of its tokens were followed."""

    def __init__(self, walk: RankingWalk, asked: AskedRanking, written: list[int]) -> None:
        self._walk, self._written, self._followed = walk, written, 0
        self._state: State = walk.start(asked.passages, asked.first)

    def allowed(self) -> list[int]:
        """Returns the tokens that may come next."""
        for token in self._written[self._followed :]:
            self._state = self._walk.advanced(self._state, token)
        self._followed = len(self._written)
        return self._walk.allowed(self._state)


class _Kind(NamedTuple):
    form: str
    end: int


class RankingMask(LogitsProcessor):
    """Masks the tokens that no clean ranking has next, for requests that ask for it."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._model = vllm_config.model_config
        self._device = device
        self._walks: dict[_Kind, RankingWalk] = {}
        self._answers: dict[int, _Answer] = {}

    def is_argmax_invariant(self) -> bool:
        """Returns False: it changes which token is the likeliest."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follows requests into, within and out of the batch."""
        process_dict_updates(self._answers, batch_update, self._new_answer)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Leaves each row the tokens that its answer may go on with.

        Args:
            logits: One row per request, shape (requests, vocabulary).
        """
        rows, columns = list[int](), list[int]()
        for row, answer in self._answers.items():
            allowed = answer.allowed()
            rows += [row] * len(allowed)
            columns += allowed
        if rows:
            masked = torch.tensor(sorted(self._answers), device=self._device)
            places = (
                torch.tensor(rows, device=self._device),
                torch.tensor(columns, device=self._device),
            )
            kept = logits[places]
            logits[masked] = float("-inf")
            logits[places] = kept
        return logits

    def _new_answer(
        self, params: SamplingParams, prompt: list[int] | None, written: list[int]
    ) -> _Answer | None:
        del prompt
        told = (params.extra_args or {}).get(RANKING)
        if told is None:
            return None
        asked = AskedRanking(*told)
        # A tokenizer without an end is refused before the engine starts.
        assert params.eos_token_id is not None
        return _Answer(self._walk_of(_Kind(asked.form, params.eos_token_id)), asked, written)

    def _walk_of(self, kind: _Kind) -> RankingWalk:
        if kind not in self._walks:
            form = answer_format(kind.form)
            tokenizer = cached_tokenizer_from_config(self._model)
            table = token_texts(tokenizer._tokenizer, alphabet(form))
            self._walks[kind] = RankingWalk(form, table, kind.end)
        return self._walks[kind]
