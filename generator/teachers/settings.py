"""Everything that `label` can be told about its teacher, checked, completed and fingerprinted."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from rankgen.generator.answers.permutation import ANSWER_RULES, LEAST_NAMED
from rankgen.generator.engines.engine_args import refuse_taken_arguments
from rankgen.generator.strategies.windows import check_window
from rankgen.generator.teachers.presets import TeacherPreset, split_teacher
from rankgen.manifests.errors import UsageError
from rankgen.manifests.storage.digest import canonical_json

OnMalformed = Literal["repair", "retry", "quarantine"]

# Settings that say where and how fast, not what; two runs that differ in them are the same run.
_NOT_IDENTITY = frozenset(
    {
        "base_url",
        "concurrency",
        "request_timeout_s",
        "gpu_memory_utilization",
        "cpu_kv_cache_gib",
    }
)


class LabelSettings(BaseModel):
    """Settings of one labelling run; None means the teacher's default (see `resolved`).

    Attributes:
        teacher: "rankzephyr", "listwise", "minilm", "recorded:RUN" or "scripted:SCRIPT".
        model: Hugging Face id, folder, or the name a server knows.
        revision: Git revision of the model.
        engine: "vllm" in this process, or "openai" for a server.
        base_url: The server's address, with or without /v1.
        api: "chat" sends messages, "completions" token ids.
        prompt_profile: Name of the prompt.
        window: Passages in one call; None for teachers that take the whole list.
        stride: Positions the window moves up.
        passes: Times the list is gone over.
        strategy: The order of windows.
        context_size: Tokens of prompt and answer together.
        max_output_tokens: Most tokens of an answer; more than the ids need for models that think.
        dtype: The model's number format under vLLM; `auto` is settled for the whole run when it
            begins (see `engines.vllm_dtype`).
        concurrency: Queries in flight in each worker.
        order: What orders the run of "recorded": its score column, as trec_eval does, or its rank.
        on_malformed: What an answer that is not clean comes to; see `teachers.listwise`.
        min_named: Least share of the passages that an answer must name, 0 to 1, or it is no answer.
        tokenizer: Hugging Face id or folder, or "rankzephyr" for the bundled one.
        seed: Sent to the engine; greedy decoding does not draw.
        request_timeout_s: Longest time for one call to a server, in seconds.
        gpu_memory_utilization: Part of each GPU's memory that vLLM takes.
        tensor_parallel: GPUs that share one copy of the model.
        cpu_kv_cache_gib: vLLM's room for keys and values without a GPU, in GiB.
        lora: Folder of a LoRA adapter that vLLM adds to the model.
        engine_args: More of vLLM's own engine arguments, by its names; see `engines.engine_args`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    teacher: str = "minilm"
    model: str | None = None
    revision: str | None = None
    engine: Literal["vllm", "openai"] | None = None
    base_url: str | None = None
    api: Literal["chat", "completions"] | None = None
    prompt_profile: str | None = None
    window: int | None = None
    stride: int | None = None
    passes: int = Field(default=1, ge=1)
    strategy: Literal["sliding"] = "sliding"
    context_size: int | None = Field(default=None, ge=64)
    max_output_tokens: int | None = Field(default=None, ge=1)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] | None = None
    concurrency: int | None = Field(default=None, ge=1)
    order: Literal["score", "rank"] | None = None
    on_malformed: OnMalformed | None = None
    min_named: float | None = Field(default=None, ge=0, le=1)
    tokenizer: str | None = None
    seed: int = 0
    request_timeout_s: float = Field(default=600.0, gt=0)
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    tensor_parallel: int = Field(default=1, ge=1)
    cpu_kv_cache_gib: int = Field(default=2, ge=1)
    lora: str | None = None
    engine_args: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def preset(self) -> TeacherPreset:
        """The named teacher's defaults.

        Raises:
            UsageError: There is no such teacher.
        """
        return split_teacher(self.teacher)[0]

    def resolved(self) -> LabelSettings:
        """Returns the settings with every default of the teacher filled in; idempotent.

        Raises:
            UsageError: Unknown teacher or prompt profile, a missing model or address, a setting
                that the teacher has no use for, or a window that would skip candidates.
        """
        preset = self.preset
        window, stride = self._window_and_stride(preset)
        check_window(window, stride, self.passes)
        filled: dict[str, object] = {"window": window, "stride": stride}
        if preset.kind == "recorded":
            filled["order"] = self.order or "score"
        elif self.order is not None:
            raise UsageError(f"the teacher '{preset.name}' has no use for --order", "leave it out")
        if preset.kind == "listwise":
            filled |= self._listwise(preset)
        else:
            self._refuse_listwise_settings()
            filled |= {"model": self.model or preset.model, "concurrency": self.concurrency or 1}
        return self.model_copy(update=filled)

    def _window_and_stride(self, preset: TeacherPreset) -> tuple[int | None, int | None]:
        window = self.window or preset.window
        if window is None:
            return None, None
        return window, self.stride or min(preset.stride or max(window // 2, 1), window)

    def _listwise(self, preset: TeacherPreset) -> dict[str, object]:
        from rankgen.generator.prompts.profiles import prompt_profile

        model = self.model or preset.model
        if model is None:
            raise UsageError(f"the teacher '{preset.name}' needs a model", "--model ID")
        engine = self.engine or ("openai" if self.base_url else "vllm")
        if engine == "openai" and self.base_url is None:
            raise UsageError(
                "the engine 'openai' needs a server", "--base-url http://localhost:8000/v1"
            )
        if engine == "vllm" and model.startswith(("/", ".", "~")) and not Path(model).is_dir():
            raise UsageError(f"there is no model folder {model}", "check --model")
        if engine == "vllm" and self.base_url is not None:
            raise UsageError("--base-url belongs to a server, not to vLLM", "--engine openai")
        if engine != "vllm" and self.engine_args:
            raise UsageError("--engine-arg belongs to vLLM, not to a server", "leave it out")
        if self.lora is not None:
            self._check_adapter(engine, self.lora)
        refuse_taken_arguments(self.engine_args)
        profile = prompt_profile(self.prompt_profile or preset.prompt_profile or "")
        api = self.api or ("chat" if engine == "openai" else None)
        ids_only_for_counting = engine == "openai" and api == "chat"
        return {
            "model": model,
            "engine": engine,
            "api": api,
            "prompt_profile": profile.name,
            "context_size": self.context_size or 4096,
            "dtype": self.dtype or ("auto" if engine == "vllm" else None),
            "concurrency": self.concurrency or (256 if engine == "vllm" else 32),
            "on_malformed": self.on_malformed or "repair",
            "min_named": LEAST_NAMED if self.min_named is None else self.min_named,
            "tokenizer": self.tokenizer or ("rankzephyr" if ids_only_for_counting else model),
        }

    def _check_adapter(self, engine: str, folder: str) -> None:
        if engine != "vllm":
            raise UsageError("--lora belongs to vLLM, not to a server", "leave it out")
        if not (Path(folder) / "adapter_config.json").is_file():
            raise UsageError(
                f"{folder} is not a folder with a LoRA adapter (it has no adapter_config.json)",
                "name the folder of the adapter by --lora",
            )

    def _refuse_listwise_settings(self) -> None:
        given = [
            name
            for name in (
                "engine",
                "base_url",
                "api",
                "prompt_profile",
                "max_output_tokens",
                "min_named",
                "lora",
            )
            if getattr(self, name) is not None
        ]
        if self.engine_args:
            given.append("engine_arg")
        if given:
            option = "--" + given[0].replace("_", "-")
            raise UsageError(
                f"the teacher '{self.teacher}' has no use for {option}", f"leave {option} out"
            )

    def identity(self) -> dict[str, object]:
        """Returns the resolved settings that change results, as JSON values; the fingerprint.

        A run file is named by its path here; its content is in the teacher's own identity. How
        answers are read concerns only teachers that write some.
        """
        settings = self.resolved()
        values: dict[str, object] = {
            name: value
            for name, value in settings.model_dump(mode="json", exclude={"engine_args"}).items()
            if name not in _NOT_IDENTITY
        }
        # All of them count, also those that change only the speed: their names do not say which.
        for name, value in settings.engine_args.items():
            is_plain = value is None or isinstance(value, str | int | float | bool)
            values[f"engine_args.{name}"] = value if is_plain else canonical_json(value)
        for name in ("order", "lora"):
            # Runs without one keep the fingerprints they had before there was such a setting.
            if values[name] is None:
                del values[name]
        if settings.preset.kind == "listwise":
            return values | {"answer_rules": ANSWER_RULES}
        del values["min_named"]
        return values
