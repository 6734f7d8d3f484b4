"""The kernels of a CPU give the results of PyTorch's own, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from rankgen.manifests.models import cpu_kernels
from rankgen.manifests.models.cpu_kernels import fast_kernels, processor_maker

SHAPES = {"rows": (7, 24), "batch": (3, 7, 24), "one": (24,)}


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"])
def onednn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Computes with either library, whatever the processor."""
    chosen: bool = request.param
    if chosen and not torch.backends.mkldnn.is_available():
        pytest.skip("this build of PyTorch has no oneDNN")
    monkeypatch.setattr(cpu_kernels, "prefers_onednn", lambda: chosen)
    return chosen


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def slopes(work: Callable[..., Tensor], *given: Tensor) -> list[Tensor]:
    """Returns the result and the gradients of its weighted sum."""
    leaves = [tensor.clone().requires_grad_() for tensor in given]
    found = work(*leaves)
    return [
        found,
        *torch.autograd.grad((found * drawn(*found.shape).to(found.dtype)).sum(), leaves),
    ]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_linear_layer_is_that_of_64_bits(
    onednn: bool, shape: tuple[int, ...], has_bias: bool
) -> None:
    given = [drawn(*shape), drawn(10, 24), *([drawn(10)] if has_bias else [])]
    with fast_kernels("cpu"):
        found = slopes(linear, *given)
    exact = slopes(linear, *(tensor.double() for tensor in given))
    for own, wide in zip(found, exact, strict=True):
        assert own.shape == wide.shape
        torch.testing.assert_close(own.double(), wide, rtol=1e-5, atol=1e-5)


def test_onednn_is_asked(onednn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []
    own = cpu_kernels._multiplied

    def counted(*given: Tensor) -> Tensor:
        asked.append(tuple(given[0].shape))
        return own(*given)

    monkeypatch.setattr(cpu_kernels, "_multiplied", counted)
    layer = torch.nn.Linear(24, 10)
    with fast_kernels("cpu"):
        layer(drawn(7, 24)).sum().backward()  # The rows need no gradient.
        layer(drawn(0, 24))
        layer.double()(drawn(7, 24, dtype=torch.float64))
    layer.float()(drawn(7, 24))
    assert asked == ([(7, 24), (10, 7)] if onednn else [])


def test_autocast_keeps_its_own_kernels(onednn: bool) -> None:
    layer = torch.nn.Linear(24, 10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = layer(drawn(7, 24))
        with fast_kernels("cpu"):
            own = layer(drawn(7, 24))
    assert own.dtype == torch.bfloat16
    assert torch.equal(own, plain)


def test_weights_that_are_frozen_get_no_gradient(onednn: bool) -> None:
    layer = torch.nn.Linear(24, 10).requires_grad_(False)
    rows = drawn(7, 24).requires_grad_()
    with fast_kernels("cpu"):
        layer(rows).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is None
    torch.testing.assert_close(rows.grad, layer.weight.sum(0).expand(7, -1))


def test_attention_in_training_has_32_bits_and_scoring_its_own() -> None:
    given = [drawn(2, 3, 9, 8).bfloat16() for _ in range(3)]
    wide = scaled_dot_product_attention(*(tensor.float() for tensor in given)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16), fast_kernels("cpu"):
        found = scaled_dot_product_attention(*given, dropout_p=0.0)
        with torch.inference_mode():
            scored = scaled_dot_product_attention(*given)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, wide)
    assert torch.equal(scored, scaled_dot_product_attention(*given))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=["wide", "narrow"])
def test_what_autocast_would_narrow_keeps_its_mask(kind: torch.dtype) -> None:
    given = [drawn(2, 3, 9, 8).to(kind) for _ in range(3)]
    mask = drawn(1, 3, 9, 9).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16), fast_kernels("cpu"):
        found = scaled_dot_product_attention(*given, attn_mask=mask)
    wide = scaled_dot_product_attention(*(tensor.float() for tensor in given), mask.float())
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, wide.bfloat16())


def test_attention_in_32_bits_is_untouched() -> None:
    given = [drawn(2, 3, 9, 8) for _ in range(3)]
    with fast_kernels("cpu"):
        found = scaled_dot_product_attention(*given, is_causal=True)
    assert torch.equal(found, scaled_dot_product_attention(*given, is_causal=True))


@pytest.mark.parametrize(
    ("text", "maker"),
    [
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1\n", "AuthenticAMD"),
        ("processor\t: 0\nvendor_id\t: GenuineIntel\n", "GenuineIntel"),
        ("processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\n", None),
        ("", None),
    ],
)
def test_a_processor_tells_its_maker(tmp_path: Path, text: str, maker: str | None) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert processor_maker(tmp_path / "cpuinfo") == maker


def test_a_system_may_not_tell_it(tmp_path: Path) -> None:
    assert processor_maker(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("maker", "is_preferred"), [("AuthenticAMD", True), ("GenuineIntel", False), (None, False)]
)
def test_the_maker_decides(
    monkeypatch: pytest.MonkeyPatch, maker: str | None, is_preferred: bool
) -> None:
    monkeypatch.setattr(cpu_kernels, "processor_maker", lambda: maker)
    has_both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    assert cpu_kernels.prefers_onednn.__wrapped__() is (is_preferred and has_both)


@pytest.mark.parametrize("is_bf16", [True, False])
def test_nothing_is_called_where_nothing_is_faster(onednn: bool, is_bf16: bool) -> None:
    count = torch.overrides._len_torch_function_stack
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
        with fast_kernels("cuda"):
            assert count() == 0
        with fast_kernels("cpu"):
            assert count() == int(onednn or is_bf16)
