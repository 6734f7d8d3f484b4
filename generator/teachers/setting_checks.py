"""Checks of a teacher's settings against each other."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rankgen.generator.answers.first_token import MOST_ALTERNATIVES
from rankgen.generator.answers.formats import BRACKETS, MOST_LETTERS
from rankgen.generator.engines.settings import EngineSettings
from rankgen.generator.prompts.prompt import ListwisePrompt
from rankgen.generator.teachers.asking import AnswerSettings, WindowSettings
from rankgen.generator.teachers.presets import TeacherPreset
from rankgen.manifests.errors import UsageError


def check_prompt(
    prompt: ListwisePrompt,
    asked: AnswerSettings,
    preset: TeacherPreset,
    window: int,
    *,
    is_served: bool,
) -> None:
    """Refuses what contradicts a prompt's answers: the teacher's length, or too many passages."""
    another = "--teacher listwise --model ID"
    if preset.first_token:
        _check_first_token(prompt, asked, window, is_served=is_served)
    if preset.exact_output and prompt.form is not BRACKETS:
        raise UsageError(
            f"the prompt '{prompt.name}' asks for {prompt.form.sample}, but the teacher "
            f"'{preset.name}' answers {BRACKETS.sample}",
            another,
        )
    if preset.exact_output and asked.thinking_tokens is not None:
        raise UsageError(f"the teacher '{preset.name}' does not think", another)
    if prompt.form.uses_letters and window > MOST_LETTERS:
        raise UsageError(
            f"the prompt '{prompt.name}' has letters for {MOST_LETTERS} passages, not for {window}",
            f"--window {MOST_LETTERS}",
        )


def check_savings(
    windows: WindowSettings,
    asked: AnswerSettings,
    prompt: ListwisePrompt,
    preset: TeacherPreset,
    is_served: bool,
) -> None:
    """Refuses to ask for a part of a ranking, or for nothing else, where that cannot be exact."""
    if windows.keep_top is not None:
        check_kept_part(windows)
    for option, is_given in (
        ("--keep-top", windows.keep_top is not None),
        ("--constrained", asked.constrained),
    ):
        if not is_given:
            continue
        if is_served:
            raise UsageError(
                f"{option} needs vLLM in the workers: a server neither goes on with an answer that "
                "was cut, nor keeps one to rankings",
                f"leave {option} out, or leave --base-url out",
            )
        if preset.first_token or asked.thinking_tokens is not None:
            raise UsageError(
                f"{option} needs answers that are rankings alone", f"leave {option} out"
            )
        if prompt.form.spelling is None:
            raise UsageError(
                f"{option} needs a prompt with strict rankings, and '{prompt.name}' allows ties",
                "use another --prompt",
            )
    if asked.constrained and asked.whole_answers:
        raise UsageError(
            "--constrained ends an answer where a single passage is left",
            "leave --whole-answers out",
        )


def refuse_savings(asked: object, teacher: str) -> None:
    """Refuses what only teachers that write rankings have a use for."""
    for name in ("keep_top", "constrained", "whole_answers"):
        if getattr(asked, name):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"the teacher '{teacher}' has no use for {option}", f"leave {option} out"
            )


def check_kept_part(asked: WindowSettings) -> None:
    """Refuses to keep a part of each list where the order of the rest changes that part."""
    for option, is_given in (
        (f"--strategy {asked.strategy}", asked.strategy != "sliding"),
        (f"--passes {asked.passes}", asked.passes > 1),
        ("--shuffle", asked.shuffle is not None),
    ):
        if is_given:
            raise UsageError(
                f"--keep-top is exact for one pass of a sliding window, not with {option}",
                f"leave --keep-top or {option.split()[0]} out",
            )


def _check_first_token(
    prompt: ListwisePrompt, asked: AnswerSettings, window: int, *, is_served: bool
) -> None:
    who = "the teacher 'first'"
    if not is_served:
        raise UsageError(f"{who} needs a server", "--base-url http://localhost:8000/v1")
    if not prompt.form.uses_letters:
        raise UsageError(
            f"{who} needs a prompt with letters, which '{prompt.name}' is not", "leave --prompt out"
        )
    if window > MOST_ALTERNATIVES:
        raise UsageError(
            f"{who} orders at most {MOST_ALTERNATIVES} passages in a call, as servers give the "
            f"probabilities of {MOST_ALTERNATIVES} tokens",
            f"--window {MOST_ALTERNATIVES}",
        )
    for name in ("max_output_tokens", "thinking_tokens"):
        if getattr(asked, name) is not None:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{who} has no use for {option}", f"leave {option} out")


def check_model(model: str | None) -> None:
    """Refuses a pointwise teacher without a model, or with a folder that does not exist."""
    if model is None:
        raise UsageError("the teacher 'pointwise' needs a model", "--model ID")
    if model.startswith(("/", ".", "~")) and not Path(model).is_dir():
        raise UsageError(f"there is no model folder {model}", "check --model")


def refuse_pair_settings(asked: object, teacher: str) -> None:
    """Refuses settings that only re-rankers have a use for."""
    for name in ("pair_prompt", "instruction"):
        if getattr(asked, name) is not None:
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"the teacher '{teacher}' has no use for {option}", f"leave {option} out"
            )


def check_adapter(engine: str, folder: str) -> None:
    """Refuses a LoRA adapter for a server, or a folder that has none."""
    if engine != "vllm":
        raise UsageError("--lora belongs to vLLM, not to a server", "leave it out")
    if not (Path(folder) / "adapter_config.json").is_file():
        raise UsageError(
            f"{folder} is not a folder with a LoRA adapter (it has no adapter_config.json)",
            "name the folder of the adapter by --lora",
        )


def refuse_listwise_settings(asked: object, teacher: str, but: Collection[str] = ()) -> None:
    """Refuses settings that only teachers with a prompt have a use for, except those in `but`."""
    given = [
        name
        for name in (
            "engine",
            "base_url",
            "api",
            "prompt",
            "max_output_tokens",
            "thinking_tokens",
            "min_named",
            "on_malformed",
            "tokenizer",
            "lora",
            "drafts",
        )
        if getattr(asked, name) is not None and name not in but
    ]
    if getattr(asked, "engine_args", None) and "engine_args" not in but:
        given.append("engine_arg")
    if given:
        option = "--" + given[0].replace("_", "-")
        raise UsageError(f"the teacher '{teacher}' has no use for {option}", f"leave {option} out")


def refuse_model_settings(asked: object, preset: TeacherPreset) -> None:
    """Refuses settings of a model's text and numbers for teachers that would not follow them."""
    unread = ["dtype", "revision"]
    if preset.kind != "embedding":
        unread.append("model")
    if not preset.is_peer:
        unread.append("context_size")
    for name in unread:
        if getattr(asked, name) is not None:
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"the teacher '{preset.name}' has no use for {option}", f"leave {option} out"
            )


def check_engines(engine: str, asked: EngineSettings, *, constrained: bool) -> None:
    """Checks what is said of vLLM, and how engines and GPUs are shared.

    Raises:
        UsageError: A server has no use for it, answers that are kept to rankings have no drafts, or
            engines share a GPU of which each needs several.
    """
    if engine != "vllm":
        for option, is_given in (
            ("--engine-arg", bool(asked.engine_args)),
            ("--drafts", asked.drafts is not None),
            ("--engines-per-gpu", asked.engines_per_gpu > 1),
            ("--tensor-parallel", asked.tensor_parallel > 1),
            ("--dtype", asked.dtype is not None),
        ):
            if is_given:
                raise UsageError(
                    f"{option} belongs to vLLM in the workers, not to a server", "leave it out"
                )
    if constrained and asked.drafts == "on":
        raise UsageError(
            "--constrained masks tokens, which vLLM cannot do in drafts",
            "leave --drafts or --constrained out",
        )
    if asked.engines_per_gpu > 1 and asked.tensor_parallel > 1:
        raise UsageError(
            f"{asked.engines_per_gpu} engines on a GPU cannot each have "
            f"{asked.tensor_parallel} GPUs",
            "use --engines-per-gpu or --tensor-parallel",
        )
