"""vLLM's own engine arguments: read, checked, part of the run, and not what rankgen sets itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from rankgen.generator.commands.registry import STEPS
from rankgen.generator.engines.vllm.engine_args import TAKEN, check_engine_args, parse_engine_args
from rankgen.generator.jobs.label.settings import LabelOptions, LabelRunSettings
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.teacher_recipe import teacher_recipe
from rankgen.manifests.errors import UsageError
from rankgen.manifests.recipes.recipe import load_recipe
from rankgen.manifests.validation import validated

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny_ranker" / "model"
BASE = {"candidates": "c", "out": "o", "teacher": "rankzephyr", "model": str(MODEL)}


def label_run(values: dict[str, object]) -> LabelRunSettings:
    return validated(LabelOptions, values, "label").settings()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("512", 512),
        ("0.5", 0.5),
        ("true", True),
        ("fp8", "fp8"),
        ('"8"', "8"),
        ("", ""),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('{"a": [1]}', {"a": [1]}),
        ("{a = 1}", {"a": 1}),
        ("a=b", "a=b"),
        ("2026-01-01", "2026-01-01"),
        ("inf", "inf"),
    ],
)
def test_values_are_literals_or_words(text: str, value: JsonValue) -> None:
    (found,) = parse_engine_args([f"some_name={text}"]).values()
    assert found == value
    assert type(found) is type(value)


def test_names_are_vllms_with_dashes_or_without() -> None:
    found = parse_engine_args(["--max-num-seqs=8", "kv_cache_dtype=fp8"])
    assert found == {"max_num_seqs": 8, "kv_cache_dtype": "fp8"}


@pytest.mark.parametrize("given", [["max_num_seqs"], ["=8"], ["a_b=1", "a-b=2"]])
def test_what_is_not_name_and_value_is_refused(given: list[str]) -> None:
    with pytest.raises(UsageError, match="--engine-arg"):
        parse_engine_args(given)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("model", "--model"),
        ("revision", "--revision"),
        ("tensor_parallel_size", "--tensor-parallel"),
        ("dtype", "--dtype"),
        ("gpu_memory_utilization", "--gpu-memory-utilization"),
        ("max_model_len", "--context-size"),
        ("data_parallel_size", "--workers"),
        ("pipeline_parallel_size", "--tensor-parallel"),
        ("hf_token", "HF_TOKEN"),
        ("enable_lora", "--lora"),
        ("seed", "greedy"),
    ],
)
def test_what_rankgen_sets_itself_is_refused_with_its_option(name: str, option: str) -> None:
    settings = label_run(BASE | {"engine_args": [f"{name}=1"]}).teacher
    with pytest.raises(UsageError, match=f"--engine-arg {name}") as caught:
        settings.resolved()
    assert option in str(caught.value.hint)


def test_only_vllm_has_engine_arguments() -> None:
    given = {"engine_args": {"max_num_seqs": 8}}
    served = {"teacher": "listwise", "model": "m", "base_url": "http://h"}
    for teacher in (served, {"teacher": "minilm"}):
        with pytest.raises(UsageError, match="--engine-arg"):
            LabelSettings.model_validate(teacher | given).resolved()


def test_they_are_part_of_what_the_run_is() -> None:
    def recipe(*given: str) -> dict[str, JsonValue]:
        return teacher_recipe(label_run(BASE | {"engine_args": list(given)}).teacher.resolved())

    plain, more = recipe(), recipe("max_num_seqs=8", "speculative_config={a=1}")
    assert more == plain | {
        "engine_args.max_num_seqs": 8,
        "engine_args.speculative_config": '{"a":1}',
    }


def test_a_recipe_has_them_as_a_table(tmp_path: Path) -> None:
    text = (
        'name = "small"\nout = "runs"\n[[step]]\nname = "labels"\ncommand = "label"\n'
        'candidates = "c"\nteacher = "rankzephyr"\n'
        'engine_args = {max_num_seqs = 8, quantization = "fp8"}\n'
    )
    (tmp_path / "small.toml").write_text(text)
    named = str(tmp_path / "small.toml")
    for overrides, expected in (
        ([], {"max_num_seqs": 8, "quantization": "fp8"}),
        (["labels.engine_args={max_num_seqs=9}"], {"max_num_seqs": 9}),
    ):
        recipe = load_recipe(named, STEPS, overrides)
        options = recipe.step_options(recipe.steps[0])
        assert label_run(options).teacher.engine_args == expected


def test_vllm_knows_the_names_and_takes_the_values() -> None:
    pytest.importorskip("vllm")
    from dataclasses import fields

    from vllm.engine.arg_utils import AsyncEngineArgs

    names = {field.name for field in fields(AsyncEngineArgs)}
    assert TAKEN.keys() <= names
    check_engine_args({})
    check_engine_args(
        {
            "quantization": "fp8",
            "max_loras": 1,
            "kv_cache_dtype": "fp8",
            "max_num_seqs": 8,
            "max_num_batched_tokens": None,
            "compilation_config": {"mode": 0},
            "attention_backend": "FLASH_ATTN",
            "quantization_config": {"a": 1},
        }
    )
    with pytest.raises(UsageError, match="no engine argument 'max_num_seq'") as caught:
        check_engine_args({"max_num_seq": 8})
    assert "did you mean 'max_num_seqs'" in str(caught.value.hint)
    with pytest.raises(UsageError, match="no engine argument 'zzzz'") as caught:
        check_engine_args({"zzzz": 8})
    assert len(str(caught.value.hint)) < 80
    for wrong in (
        {"max_num_seqs": "many"},
        {"kv_cache_dtype": "fp9"},
        {"enforce_eager": "perhaps"},
    ):
        with pytest.raises(UsageError, match="cannot be"):
            check_engine_args(wrong)


def test_an_adapter_is_its_content_and_vllms_alone(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    with pytest.raises(UsageError, match="not a folder with a LoRA adapter"):
        LabelSettings(teacher="rankzephyr", model=str(MODEL), lora=str(adapter)).resolved()
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 12}')
    teacher = LabelSettings(teacher="rankzephyr", model=str(MODEL), lora=str(adapter)).resolved()
    before = teacher_recipe(teacher)["lora"]
    assert str(before).startswith("sha256:")
    (adapter / "adapter_model.safetensors").write_text("weights")
    assert teacher_recipe(teacher)["lora"] != before
    assert "lora" not in teacher_recipe(teacher.model_copy(update={"lora": None}))
    served = {"teacher": "listwise", "model": "m", "base_url": "http://h", "lora": str(adapter)}
    for values in (served, {"teacher": "minilm", "lora": str(adapter)}):
        with pytest.raises(UsageError, match="--lora"):
            LabelSettings.model_validate(values).resolved()
    pytest.importorskip("vllm")
    from rankgen.generator.engines.vllm.arguments import VllmSettings, engine_arguments

    arguments = engine_arguments(VllmSettings(model=str(MODEL), lora=str(adapter)))
    assert (arguments.enable_lora, arguments.max_lora_rank) == (True, 16)
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="has no LoRA rank"):
        engine_arguments(VllmSettings(model=str(MODEL), lora=str(adapter)))
