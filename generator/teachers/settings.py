"""Everything that `label` can be told about its teacher, checked, completed and fingerprinted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, field_validator

from rankgen.generator.answers.permutation import ANSWER_RULES
from rankgen.generator.engines.engine_args import parse_engine_args
from rankgen.generator.teachers.presets import TeacherPreset, split_teacher, teachers_in_words
from rankgen.manifests.options import Option, Settings
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


TeacherName = Annotated[
    str,
    Option(teachers_in_words(), metavar="NAME"),
]


class WindowSettings(Settings):
    """What is shown in one call."""

    panel = "Windows"
    window: Annotated[int | None, Option("Passages in one call.", "the teacher's")] = None
    stride: Annotated[int | None, Option("Positions a window moves up.", "the teacher's")] = None
    passes: Annotated[PositiveInt, Option("Number of passes over each list.")] = 1
    strategy: Annotated[Literal["sliding"], Option("Order in which windows are asked.")] = "sliding"


class AnswerSettings(Settings):
    """How an LLM is prompted, and how its answers are taken."""

    panel = "Prompts and answers"
    prompt_profile: Annotated[
        str | None, Option("rank_llm-0.25 or rank_llm-0.12.", "the teacher's", metavar="NAME")
    ] = None
    context_size: Annotated[
        int | None, Field(ge=64), Option("Tokens of prompt and answer together.", "4096")
    ] = None
    max_output_tokens: Annotated[
        PositiveInt | None,
        Option("Most tokens of an answer; give more to models that think.", "what the ids need"),
    ] = None
    on_malformed: Annotated[
        OnMalformed | None, Option("What becomes of a malformed answer.", "repair")
    ] = None
    min_named: Annotated[
        float | None,
        Field(ge=0, le=1),
        Option("Least share of the passages that an answer must name.", "0.5"),
    ] = None
    tokenizer: Annotated[
        str | None,
        Option(
            "Hugging Face id or folder, or rankzephyr for the bundled one.",
            "the model's",
            metavar="ID|FOLDER",
        ),
    ] = None
    seed: Annotated[int, Option("Random seed for the engine; greedy decoding draws nothing.")] = 0


class EndpointSettings(Settings):
    """How a server is asked."""

    panel = "Server"
    base_url: Annotated[
        str | None,
        Option("URL of an OpenAI-compatible server, such as http://host:8000/v1.", metavar="URL"),
    ] = None
    api: Annotated[
        Literal["chat", "completions"] | None,
        Option("chat sends messages, completions sends token ids.", "chat"),
    ] = None
    request_timeout_s: Annotated[
        PositiveFloat,
        Option(
            "Seconds that one call to a server may take.",
            flags=("--request-timeout", "--request-timeout-s"),
        ),
    ] = 600.0


class EngineSettings(Settings):
    """How vLLM runs."""

    panel = "vLLM and GPUs"
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32"] | None,
        Option("Number format; auto is the model's own where that is fast.", "auto"),
    ] = None
    gpu_memory_utilization: Annotated[
        float, Field(gt=0, le=1), Option("Share of each GPU's memory for vLLM.")
    ] = 0.9
    tensor_parallel: Annotated[PositiveInt, Option("GPUs of one node that share the model.")] = 1
    cpu_kv_cache_gib: Annotated[
        PositiveInt, Option("GiB for vLLM's keys and values on a machine without a GPU.")
    ] = 2
    lora: Annotated[str | None, Option("LoRA adapter for the model.", metavar="FOLDER")] = None
    engine_args: Annotated[
        dict[str, JsonValue],
        Option(
            "An engine argument of vLLM by its own name, such as quantization=fp8, "
            "kv_cache_dtype=fp8 or max_num_seqs=512; repeatable, and part of the run's recipe.",
            metavar="NAME=VALUE",
            flags=("--engine-arg", "--engine-args"),
        ),
    ] = Field(default_factory=dict)

    @field_validator("engine_args", mode="before")
    @classmethod
    def _read_assignments(cls, given: object) -> object:
        """Reads the command line's list of NAME=VALUE; a recipe has a table."""
        return parse_engine_args(given) if isinstance(given, list | tuple) else given


class LabelSettings(WindowSettings, AnswerSettings, EndpointSettings, EngineSettings):
    """The teacher and how it is asked; None means the teacher's default (see `resolved`)."""

    teacher: TeacherName = "minilm"
    model: Annotated[
        str | None,
        Option(
            "A Hugging Face id, a folder, or the name that a server knows.",
            "the teacher's",
            metavar="ID|FOLDER|NAME",
        ),
    ] = None
    revision: Annotated[
        str | None, Option("Git revision of the model.", "the newest, pinned when the run begins")
    ] = None
    engine: Annotated[
        Literal["vllm", "openai"] | None,
        Option("vllm in the workers, or openai for a server.", "vllm; openai with --base-url"),
    ] = None
    concurrency: Annotated[
        PositiveInt | None,
        Option("Queries in flight in each worker.", "256 under vLLM, 32 for a server"),
    ] = None
    order: Annotated[
        Literal["score", "rank"] | None,
        Option("How recorded:RUN is ordered: score as trec_eval does, or rank.", "score"),
    ] = None

    @property
    def preset(self) -> TeacherPreset:
        """The named teacher's defaults.

        Raises:
            UsageError: There is no such teacher.
        """
        return split_teacher(self.teacher)[0]

    def resolved(self) -> LabelSettings:
        """Returns the settings with every default of the teacher filled in; see `resolution`."""
        from rankgen.generator.teachers.resolution import resolved

        return resolved(self)

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
