"""The named teachers and their defaults; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.teacher_scores import Unit

TeacherKind = Literal["listwise", "embedding", "pointwise", "pairwise", "plain"]


@dataclass(frozen=True)
class TeacherPreset:
    """A teacher's defaults.

    Attributes:
        name: The value of `--teacher`, without the argument after a colon.
        kind: "listwise" asks an LLM, "embedding" a sentence encoder, "pointwise" a model that
            scores each passage alone, "pairwise" one that compares two; a "plain" teacher is
            told by what follows its colon, and the module of its name has the functions of
            `base.PlainTeacher`.
        argument: What to write after the colon; None if nothing may follow.
        model: Default model.
        window: Default window; None for the whole list.
        stride: Default stride; None without a window.
        prompt_profile: Default prompt profile; None for teachers without prompts.
        chat_format: "zephyr", or "own" for the model's chat template.
        exact_output: Whether answers have exactly the tokens of a permutation, as in rank_llm.
        first_token: Whether the letters' probabilities in the first token order a window.
        reads_texts: Whether it needs the passages' texts, or only their ids.
        takes_order: Whether `--order` says by which of its columns it orders.
        is_peer: Whether the package rank_llm asks the model.
        scores: What its scores are; None for a teacher that gives an order alone.
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
    first_token: bool = False
    reads_texts: bool = True
    takes_order: bool = False
    scores: Unit | None = None
    is_peer: bool = False

    @property
    def asks_llm(self) -> bool:
        """Whether an engine or a server continues its prompts, unless the model is a duoT5."""
        return self.kind in ("listwise", "pairwise")


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
            "any chat model, given with --model",
            window=20,
            stride=10,
            prompt_profile="rank_llm-0.25",
        ),
        TeacherPreset(
            "first",
            "listwise",
            "FIRST: the letters' probabilities in the first token of a served model's answer",
            model="castorini/first_mistral",
            window=20,
            stride=10,
            prompt_profile="rank-llm:rank_zephyr_alpha",
            first_token=True,
            scores="logit",
        ),
        TeacherPreset(
            "minilm",
            "embedding",
            "cosine of all-MiniLM-L6-v2 embeddings, no LLM and no download",
            model="all-MiniLM-L6-v2",
            scores="cosine",
        ),
        TeacherPreset(
            "pointwise",
            "pointwise",
            "the logits of any cross-encoder, T5 or yes/no re-ranker, given with --model",
            scores="logit",
        ),
        TeacherPreset(
            "pairwise",
            "pairwise",
            "any chat model or duoT5 that compares two passages at a time, in both orders",
            window=10,
            stride=5,
            scores="wins",
        ),
        TeacherPreset(
            "rank-llm",
            "plain",
            "any listwise model of the package rank-llm, by its prompt and its engine",
            argument="MODEL",
            window=20,
            stride=10,
            is_peer=True,
        ),
        TeacherPreset(
            "recorded",
            "plain",
            "the order of a TREC run file",
            argument="RUN",
            takes_order=True,
            reads_texts=False,
            scores="run score",
        ),
        TeacherPreset(
            "judged",
            "plain",
            "the order of judgements, an upper bound for teachers",
            argument="QRELS",
            reads_texts=False,
        ),
        TeacherPreset(
            "scripted",
            "plain",
            "a made-up order, for tests",
            argument="SCRIPT",
            reads_texts=False,
        ),
    )
}


def teachers_in_words() -> str:
    """Returns the sentence of `--help` about every teacher."""
    names = (
        f"{preset.name}{f':{preset.argument}' if preset.argument else ''} ({preset.what})"
        for preset in PRESETS.values()
    )
    return f"{', '.join(names)}."


def split_teacher(name: str) -> tuple[TeacherPreset, str | None]:
    """Splits "recorded:run.trec" into its preset and its argument.

    Raises:
        UsageError: The teacher is unknown, or its argument is missing or superfluous.
    """
    head, colon, argument = name.partition(":")
    preset = PRESETS.get(head)
    if preset is None:
        raise UsageError(f"there is no teacher '{head}'", did_you_mean(head, PRESETS))
    if preset.argument is None and colon:
        raise UsageError(
            f"the teacher '{head}' takes nothing after a colon", f"use --teacher {head}"
        )
    if preset.argument is not None and not argument:
        raise UsageError(
            f"the teacher '{head}' needs {preset.argument} after a colon",
            f"use --teacher {head}:{preset.argument}",
        )
    return preset, argument or None
