"""Checking drafts at a look keeps the tokens that vLLM's own check keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("vllm")

import torch
from vllm.platforms import current_platform
from vllm.v1.sample.logits_processor import LogitsProcessors
from vllm.v1.sample.logits_processor.builtin import MinTokensLogitsProcessor
from vllm.v1.sample.metadata import SamplingMetadata
from vllm.v1.sample.rejection_sampler import RejectionSampler
from vllm.v1.sample.sampler import Sampler
from vllm.v1.spec_decode.metadata import SpecDecodeMetadata

from rankgen.generator.engines.vllm.draft_check import (
    GreedyCheck,
    check_greedily,
    forbidden,
    kept_tokens,
)
from rankgen.generator.engines.vllm.ranking_mask import RankingMask

VOCABULARY, STOP = 6, 5
# As vLLM's workers do when they start.
current_platform.import_kernels()
current_platform.register_triton_kernel_overrides()


def drafted(drafts: Sequence[Sequence[int]]) -> SpecDecodeMetadata:
    """Returns which rows of the logits belong to which draft, as vLLM's runner lays them out."""
    made = SpecDecodeMetadata.make_dummy([list(one) for one in drafts], torch.device("cpu"))
    ends = np.cumsum([len(one) + 1 for one in drafts])
    rows = np.arange(ends[-1])
    lasts = torch.from_numpy(ends - 1).to(torch.int32)
    others = torch.from_numpy(np.setdiff1d(rows, ends - 1)).to(torch.int32)
    return replace(made, bonus_logits_indices=lasts, target_logits_indices=others)


def asked(requests: int, least: Sequence[int] = (), **values: Any) -> SamplingMetadata:
    """Returns what greedy requests ask for that write at least so many tokens."""
    longer = MinTokensLogitsProcessor(Any, torch.device("cpu"), False)
    longer.min_toks = {row: (n, [], {STOP}, False) for row, n in enumerate(least) if n}
    rows = [row for row, n in enumerate(least) if n]
    longer.logits_slice = (
        torch.tensor(rows, dtype=torch.int32),
        torch.full((len(rows),), STOP, dtype=torch.int32),
    )
    none = torch.zeros(requests)
    made: dict[str, Any] = {
        "temperature": None,
        "all_greedy": True,
        "all_random": False,
        "top_p": None,
        "top_k": None,
        "generators": {},
        "max_num_logprobs": None,
        "no_penalties": True,
        "prompt_token_ids": None,
        "frequency_penalties": none,
        "presence_penalties": none,
        "repetition_penalties": none,
        "output_token_ids": [[] for _ in range(requests)],
        "allowed_token_ids_mask": None,
        "bad_words_token_ids": {},
        "logitsprocs": LogitsProcessors([longer]),
    }
    return SamplingMetadata(**(made | values))


Drafts = st.lists(st.lists(st.integers(0, STOP), max_size=4), min_size=1, max_size=5).filter(any)


@settings(deadline=None)
@given(st.data(), Drafts, st.sampled_from([torch.float32, torch.bfloat16]))
def test_the_same_tokens_are_kept(
    data: st.DataObject, drafts: list[list[int]], dtype: torch.dtype
) -> None:
    metadata = drafted(drafts)
    height = sum(map(len, drafts)) + len(drafts)
    # Few values, so that many are equal and the first of them wins.
    values = st.lists(st.integers(0, 3), min_size=VOCABULARY, max_size=VOCABULARY)
    rows = data.draw(st.lists(values, min_size=height, max_size=height))
    logits = torch.tensor(rows, dtype=dtype)
    least = data.draw(st.lists(st.integers(0, 5), min_size=len(drafts), max_size=len(drafts)))
    wanted = asked(len(drafts), least)
    theirs = RejectionSampler(Sampler())(metadata, None, logits.clone(), wanted)
    ours = GreedyCheck(Sampler())(metadata, None, logits.clone(), wanted)
    assert ours.sampled_token_ids.tolist() == theirs.sampled_token_ids.tolist()
    assert ours.sampled_token_ids.dtype == theirs.sampled_token_ids.dtype


def test_drafts_are_kept_up_to_the_first_that_differs() -> None:
    kept = kept_tokens([1, 2, 3, 4, 5], [3, 0, 2], [1, 9, 3, 4, 5], [7, 8, 6])
    assert kept == [[1, 9], [8], [4, 5, 6]]


@pytest.mark.parametrize(
    "values",
    [
        {"all_greedy": False, "temperature": torch.tensor([0.5])},
        {"no_penalties": False},
        {"max_num_logprobs": 0},
        {"logprob_token_ids": {0: [1]}},
        {"allowed_token_ids_mask": torch.zeros(1, VOCABULARY, dtype=torch.bool)},
        {"bad_words_token_ids": {0: [[1]]}},
        {"logitsprocs": LogitsProcessors([RankingMask.__new__(RankingMask)])},
    ],
)
def test_whatever_else_is_asked_for_is_left_to_vllm(values: dict[str, Any]) -> None:
    assert forbidden(asked(1)) == {}
    assert forbidden(asked(1, [2])) == {0: {STOP}}
    assert forbidden(asked(1, **values)) is None


def test_workers_are_told_to_check_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.distributed.device_communicators import shm_broadcast
    from vllm.v1.executor.multiproc_executor import MultiprocExecutor

    from rankgen.generator.engines.vllm.cpu_executor import CpuExecutor

    told: list[object] = []
    monkeypatch.setattr(shm_broadcast, "sched_yield", shm_broadcast.sched_yield)
    monkeypatch.setattr(MultiprocExecutor, "_init_executor", lambda _: told.append("workers"))
    monkeypatch.setattr(MultiprocExecutor, "collective_rpc", lambda _, asked: told.append(asked))
    object.__new__(CpuExecutor)._init_executor()
    assert told[0] == "workers"
    assert check_greedily in told

    plain = SimpleNamespace(sampler=Sampler(), device=torch.device("cpu"), speculative_config=None)
    check_greedily(SimpleNamespace(model_runner=plain))
    assert not hasattr(plain, "rejection_sampler")
    drafting = SimpleNamespace(**vars(plain) | {"speculative_config": SimpleNamespace()})
    drafting.speculative_config.rejection_sample_method = "strict"
    check_greedily(SimpleNamespace(model_runner=drafting))
    assert isinstance(drafting.rejection_sampler, GreedyCheck)
