"""What each teacher's name stands for; nothing heavy is imported to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rankgen.manifests.errors import UsageError, did_you_mean

TeacherKind = Literal["listwise", "embedding", "recorded", "scripted"]


@dataclass(frozen=True)
class TeacherPreset:
    """A teacher's defaults.

    Attributes:
        name: What `--teacher` takes, without an argument after a colon.
        kind: Which implementation it is.
        argument: What stands after the colon, or None where nothing may.
        model: Default model.
        window: Default window; None is the whole list.
        stride: Default stride; None with no window.
        prompt_profile: Default prompt profile; None for teachers without prompts.
        chat_format: "zephyr", or "own" for the model's chat template.
        exact_output: The answer has exactly the tokens of a permutation (rank_llm's decoding).
        reads_texts: Whether it needs the passages' texts, or their ids are enough.
        what: One line for `--help`.
    """

    name: str
    kind: TeacherKind
    what: str
    argument: str | None = None
    model: str | None = None
    window: int | None = None
    stride: int | None = None
    prompt_profile: str | None = None
    chat_format: str = "own"
    exact_output: bool = False
    reads_texts: bool = True


PRESETS: dict[str, TeacherPreset] = {
    preset.name: preset
    for preset in (
        TeacherPreset(
            "rankzephyr",
            "listwise",
            "RankZephyr 7B as rank_llm prompts and decodes it",
            model="castorini/rank_zephyr_7b_v1_full",
            window=20,
            stride=10,
            prompt_profile="rank_llm-0.25",
            chat_format="zephyr",
            exact_output=True,
        ),
        TeacherPreset(
            "listwise",
            "listwise",
            "any chat model, named by --model",
            window=20,
            stride=10,
            prompt_profile="rank_llm-0.25",
        ),
        TeacherPreset(
            "minilm",
            "embedding",
            "cosine of all-MiniLM-L6-v2 embeddings, no LLM and no download",
            model="all-MiniLM-L6-v2",
        ),
        TeacherPreset(
            "recorded",
            "recorded",
            "the order of a TREC run file",
            argument="RUN",
            reads_texts=False,
        ),
        TeacherPreset(
            "scripted",
            "scripted",
            "a made-up order, for tests of the machinery",
            argument="SCRIPT",
            reads_texts=False,
        ),
    )
}


def split_teacher(name: str) -> tuple[TeacherPreset, str | None]:
    """Splits "recorded:run.trec" into its preset and its argument.

    Raises:
        UsageError: There is no such teacher, or its argument is missing or too much.
    """
    head, colon, argument = name.partition(":")
    preset = PRESETS.get(head)
    if preset is None:
        raise UsageError(f"there is no teacher '{head}'", did_you_mean(head, PRESETS))
    if preset.argument is None and colon:
        raise UsageError(f"the teacher '{head}' takes nothing after a colon", f"--teacher {head}")
    if preset.argument is not None and not argument:
        raise UsageError(
            f"the teacher '{head}' needs something after a colon",
            f"--teacher {head}:{preset.argument}",
        )
    return preset, argument or None
