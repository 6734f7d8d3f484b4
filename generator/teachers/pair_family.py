"""Which re-ranker a pointwise or pairwise teacher has, and the prompt about a pair."""

from __future__ import annotations

from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.families import Family, family_of
from rankgen.manifests.models.pair_prompts import PairPrompt
from rankgen.manifests.models.two_outputs import relevant_of_two
from rankgen.manifests.teacher_scores import Unit


def pair_family(teacher: LabelSettings) -> Family:
    """Returns the kind of a teacher's re-ranker.

    Args:
        teacher: Resolved settings of a pointwise teacher.

    Raises:
        UsageError: It is not a re-ranker that scores one passage, or the teacher's engine or
            instruction does not fit it.
        EnvironmentProblem: It is not on this machine and cannot be downloaded.
    """
    model = teacher.model or ""
    family = family_of(model, teacher.revision, teacher.pair_prompt)
    if family.prompt is not None and "{other}" in family.prompt.passage:
        raise UsageError(f"{model} compares two passages", "use --teacher pairwise")
    if family.kind == "lightning-ir":
        raise UsageError(
            f"{model} is a {family.architecture} of lightning-ir, which teachers do not load",
            f"score by `rankgen rerank --student {model}`, then use --teacher recorded:RUN",
        )
    if family.prompt is None:
        _refuse_prompted(teacher, family)
    if teacher.engine == "vllm" and family.kind == "seq2seq":
        raise UsageError(
            f"vLLM has no {family.architecture}, which {model} is", "leave --engine out"
        )
    return family


def pair_prompt_of(teacher: LabelSettings) -> PairPrompt | None:
    """Returns the prompt with the user's instruction; None where sentence-transformers has it.

    Raises:
        UsageError: See `pair_family`; or the prompt has no place for an instruction.
    """
    prompt = pair_family(teacher).prompt
    return None if prompt is None else prompt.with_instruction(teacher.instruction)


def reverses_outputs(teacher: LabelSettings) -> bool:
    """Says whether the first of a classifier's two outputs means relevant, not the second.

    Raises:
        UsageError: See `pair_family`; or the outputs' names do not say which one it is.
    """
    outputs = pair_family(teacher).outputs
    return len(outputs) == 2 and relevant_of_two(teacher.model or "", outputs) == 0


def unit_of_scores(teacher: LabelSettings) -> Unit | None:
    """Returns what a teacher's scores are; None for one that gives an order alone."""
    preset = teacher.preset
    if preset.kind == "pointwise":
        prompt = pair_family(teacher).prompt
        return "log probability" if prompt and prompt.score == "log probability" else "logit"
    return preset.scores


def _refuse_prompted(teacher: LabelSettings, family: Family) -> None:
    if teacher.engine == "vllm":
        raise UsageError(
            f"vLLM is not asked for the scores of {teacher.model}, a {family.architecture}",
            "leave --engine out, or give --pair-prompt if it is a yes/no re-ranker",
        )
    if teacher.instruction is not None:
        raise UsageError(
            f"{teacher.model} has no prompt with a place for an instruction",
            "leave --instruction out, or give --pair-prompt if it is a yes/no re-ranker",
        )
