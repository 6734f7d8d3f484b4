"""Steps that need more memory than there is: chosen smaller, or repeated in smaller parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from toy_training import lines, settings_of, weights

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.students.model import scoring
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware, choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.pair_template import Pair
from rankgen.students.training import chunked_backward as score_cache
from rankgen.students.training import step as step_module
from rankgen.students.training.step_bytes import ModelSize, bytes_per_token, size_of
from rankgen.students.training.step_memory import (
    fitted,
    fitting_tokens,
    free_memory,
    in_smaller_parts,
    is_out_of_memory,
)
from rankgen.students.training.train import train_student

CPU = torch.device("cpu")
ELECTRA_BASE = ModelSize(768, 12, 12, 3072, 109_000_000)
ELECTRA_LARGE = ModelSize(1024, 24, 16, 4096, 334_000_000)
GIB = 2**30


def test_bytes_of_a_token() -> None:
    # Counted on a GPU: 420 to 440 KiB.
    assert 420 <= bytes_per_token(ELECTRA_BASE, is_bf16=True) / 1024 <= 440
    assert 2.6 < bytes_per_token(ELECTRA_LARGE, True) / bytes_per_token(ELECTRA_BASE, True) < 2.7


@pytest.mark.parametrize(
    ("size", "gib", "tokens"),
    [
        (ELECTRA_BASE, 79, 131_072),
        (ELECTRA_BASE, 47, 65_536),
        (ELECTRA_BASE, 23, 32_768),
        (ELECTRA_BASE, 15, 16_384),
        (ELECTRA_LARGE, 139, 65_536),
        (ELECTRA_LARGE, 79, 32_768),
        (ELECTRA_LARGE, 23, 8_192),
        (ELECTRA_LARGE, 5, 291),
    ],
)
def test_parts_fit_the_free_memory(size: ModelSize, gib: int, tokens: int) -> None:
    chosen = fitting_tokens(
        gib * GIB,
        size,
        is_bf16=True,
        margin=0.15,
        most=131_072,
        least=32 + 256 + 3,
        chunk_tokens=65_536,
    )
    assert chosen == tokens


def test_a_small_model_is_not_cut_here(tiny_backbone: str) -> None:
    encoder = load_backbone(tiny_backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=None)
    size = size_of(encoder.model)
    assert size is not None
    assert (size.hidden, size.layers, size.heads, size.intermediate) == (32, 2, 2, 64)
    assert not size.is_gated
    assert size.trained_weights == sum(p.numel() for p in encoder.model.parameters())
    free = free_memory(CPU)
    assert free is not None
    assert free > 2**20
    hardware = choose_hardware("cpu", "fp32")
    assert fitted(hardware, encoder, sharing=2) == hardware
    # A part never holds less than a pair, and a chunk no more than a part.
    least = fitted(hardware, encoder, sharing=10**9)
    assert (least.step_tokens, least.chunk_tokens) == (27, 27)


def test_what_an_allocator_says() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_out_of_memory(error.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def scarce(monkeypatch: pytest.MonkeyPatch, limit: int) -> list[int]:
    """Lets every forward pass that holds more than `limit` tokens' activations fail.

    Returns:
        The tokens of every pass, filled while it goes.
    """
    passes: list[int] = []
    whole, chunk = scoring.forward_sorted, scoring.chunk_scores

    def held(encoder: CrossEncoder, pairs: Sequence[Pair]) -> None:
        passes.append(sum(encoder.template.length(*pair) for pair in pairs))
        if passes[-1] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def scarce_whole(
        encoder: CrossEncoder, pairs: Sequence[Pair], hardware: Hardware
    ) -> torch.Tensor:
        held(encoder, pairs)
        return whole(encoder, pairs, hardware)

    def scarce_chunk(
        encoder: CrossEncoder, pairs: Sequence[Pair], hardware: Hardware
    ) -> torch.Tensor:
        held(encoder, pairs)
        return chunk(encoder, pairs, hardware)

    monkeypatch.setattr(step_module, "forward_sorted", scarce_whole)
    monkeypatch.setattr(score_cache, "chunk_scores", scarce_chunk)
    return passes


# A step has four lists of six pairs, some 15 tokens each. The smallest limit is below one list.
@pytest.mark.parametrize("limit", [200, 100, 40])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_step_that_runs_out_is_repeated_exactly(
    recipe: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    limit: int,
    dropout: float,
) -> None:
    whole, cut, small = (
        settings_of(recipe, max_steps=3, dropout=dropout, out=tmp_path / name)
        for name in ("whole", "cut", "small")
    )
    train_student(whole)
    with monkeypatch.context() as patched:
        passes = scarce(patched, limit)
        train_student(cut)
    # All failures were in the first step.
    failed = [number for number, tokens in enumerate(passes) if tokens > limit]
    assert failed
    assert max(failed) < 12
    told = [line for line in capsys.readouterr().err.splitlines() if "out of memory" in line]
    assert len(told) == len(failed)
    found = re.search(r"in step 1: repeating it in parts of (\d+) tokens", told[-1])
    assert found is not None
    tokens = int(found[1])
    train_student(small.model_copy(update={"step_tokens": tokens, "chunk_tokens": tokens}))
    # To the bit what it would be in those parts from the start, noise included.
    expected, cut_weights = weights(small.out), weights(cut.out)
    assert all(torch.equal(expected[name], cut_weights[name]) for name in expected)
    if dropout == 0:
        losses = [[line["loss"] for line in lines(settings)] for settings in (whole, cut)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_one_pair_that_does_not_fit_is_one_sentence(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce(monkeypatch, 5)
    with pytest.raises(
        EnvironmentProblem, match=r"one pair of \d+ tokens does not fit into .* cpu"
    ) as e:
        train_student(settings_of(recipe, max_steps=2))
    assert e.value.exit_code == 3


def test_another_error_is_not_taken_for_it(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(step_module, "forward_sorted", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train_student(settings_of(recipe, max_steps=2))


def test_parts_are_halved_down_to_a_pair() -> None:
    hardware = choose_hardware("cpu", "fp32", step_tokens=131_072, chunk_tokens=65_536)
    halves = []
    for _ in range(4):
        hardware = in_smaller_parts(hardware, held=3000, longest=200)
        halves.append((hardware.step_tokens, hardware.chunk_tokens))
    assert halves == [(1500, 1500), (750, 750), (375, 375), (200, 200)]
    # A part was a pair before, and a chunk was not.
    hardware = choose_hardware("cpu", "fp32", step_tokens=1, chunk_tokens=1000)
    smaller = in_smaller_parts(hardware, held=3000, longest=200)
    assert (smaller.step_tokens, smaller.chunk_tokens) == (1, 500)
