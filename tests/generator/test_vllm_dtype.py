"""Which number format a model runs in under vLLM where the user leaves it open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rankgen.generator.engines.vllm.dtype import dtype_and_warning, fast_dtype, own_dtype
from rankgen.generator.shards.settled import settled
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models import half_precision
from rankgen.manifests.run.plan import Plan, open_plan
from rankgen.manifests.run.run_directory import RunDirectory

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny_ranker" / "model"


@pytest.mark.parametrize(
    ("own", "fast", "device", "chosen"),
    [
        ("float16", {"float16", "bfloat16"}, "cpu", "float16"),
        ("bfloat16", {"bfloat16"}, "cpu", "bfloat16"),
        # Not another half: float16 holds digits that bfloat16 loses.
        ("float16", {"bfloat16"}, "cpu", "float32"),
        ("bfloat16", set(), "cpu", "float32"),
        ("float32", {"float16", "bfloat16"}, "cpu", "float32"),
        ("bfloat16", {"float16", "bfloat16"}, "cuda", "bfloat16"),
        ("float16", {"float16", "bfloat16"}, "cuda", "float16"),
        ("float32", {"float16", "bfloat16"}, "cuda", "bfloat16"),
        # A T4 or V100.
        ("bfloat16", {"float16"}, "cuda", "float16"),
        ("float32", {"float16"}, "cuda", "float16"),
    ],
)
def test_a_model_keeps_its_format_where_that_is_fast(
    monkeypatch: pytest.MonkeyPatch, own: str, fast: set[str], device: str, chosen: str
) -> None:
    speeds = {True: 4.0, False: 0.1}
    monkeypatch.setattr(half_precision, "speedup", lambda half, _: speeds[half in fast])
    assert fast_dtype(own, device) == chosen


def test_a_slow_format_that_is_asked_for_is_kept_and_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(half_precision, "speedup", lambda *_: 0.05)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    dtype, warning = dtype_and_warning("float16", "float16")
    assert dtype == "float16"
    assert warning is not None
    assert "float16 is slow here: its matrix products take 20.0 times as long" in warning
    assert dtype_and_warning("float16", "float32") == ("float32", None)
    assert dtype_and_warning("float16", "auto") == ("float32", None)


def test_the_format_of_the_weights_is_what_the_config_names(tmp_path: Path) -> None:
    assert own_dtype(str(MODEL), None) == "float16"
    for config, own in (
        ({"torch_dtype": "bfloat16"}, "bfloat16"),
        ({"text_config": {"dtype": "bfloat16"}}, "bfloat16"),
        ({"torch_dtype": None}, "float32"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert own_dtype(str(tmp_path), None) == own


def planned(run: RunDirectory, dtype: str) -> Plan:
    plan = Plan(
        kind="label",
        tables=("rankings",),
        recipe={"dtype": dtype},
        settings={},
        shards=1,
        queries=0,
        queries_sha256="0",
    )
    return open_plan(run, plan, [])


def test_a_finished_run_is_not_settled_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    planned(run, "bfloat16")
    run.manifest.write_text("{}")

    def never(asked: str) -> tuple[str, str | None]:
        raise AssertionError("a worker was asked")

    for asked, value in (("auto", "bfloat16"), ("float32", "float32")):
        with settled(run, "dtype", asked, never, may_use_gpus=False, ray_address=None) as dtype:
            assert dtype == value


def test_a_teacher_is_known_by_the_format_it_computes_in() -> None:
    from rankgen.generator.teachers.registry import _with_dtype

    resolved = LabelSettings(teacher="rankzephyr", model=str(MODEL)).resolved()
    assert resolved.dtype == "auto"
    assert _with_dtype(resolved).dtype == dtype_and_warning("float16", "auto")[0] != "auto"


def test_vllm_is_started_with_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vllm")
    from rankgen.generator.engines.vllm.arguments import (
        CPU_EXECUTOR,
        VllmSettings,
        engine_arguments,
    )

    settings = VllmSettings(
        model=str(MODEL),
        revision="c" * 40,
        tokenizer=f"some/tokenizer@{'d' * 40}",
        context_size=2048,
        dtype="float32",
        seed=7,
        tensor_parallel=4,
    )
    arguments = engine_arguments(settings)
    assert (arguments.model, arguments.revision) == (str(MODEL), "c" * 40)
    assert (arguments.tokenizer, arguments.tokenizer_revision) == ("some/tokenizer", "d" * 40)
    assert arguments.tensor_parallel_size == 4
    assert arguments.distributed_executor_backend == CPU_EXECUTOR
    assert (arguments.max_model_len, arguments.dtype, arguments.seed) == (2048, "float32", 7)
    own = engine_arguments(VllmSettings(model=str(MODEL), revision="c" * 40))
    assert (own.tokenizer, own.tokenizer_revision) == (None, "c" * 40)
    assert own.distributed_executor_backend == CPU_EXECUTOR
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    # Not Ray's own, which would want GPUs beside those of the worker.
    assert engine_arguments(settings).distributed_executor_backend == "mp"
    alone = settings.model_copy(update={"tensor_parallel": 1})
    assert engine_arguments(alone).distributed_executor_backend is None


def test_vllms_processes_on_a_cpu_wait_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vllm")
    from vllm.distributed.device_communicators import shm_broadcast

    from rankgen.generator.engines.vllm.waiting import wait_asleep

    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr(shm_broadcast, "sched_yield", shm_broadcast.sched_yield)
    wait_asleep()
    shm_broadcast.sched_yield()
    assert slept == [1e-4]


def test_a_damaged_config_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type"')
    with pytest.raises(UsageError, match=r"config\.json of the model .* cannot be read"):
        own_dtype(str(tmp_path), None)
