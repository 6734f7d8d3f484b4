"""Which commit of a model id a run means: settled once, by the driver, for all its workers.

Otherwise a node that joins after the model's owner has pushed would label with another model.
"""

from __future__ import annotations

from pathlib import Path

from rankgen.generator.label_settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.plan import read_plan
from rankgen.manifests.run_directory import RunDirectory


def with_pinned_revision(teacher: LabelSettings, run: RunDirectory) -> LabelSettings:
    """Returns the teacher with the commit of its model: the run's own, else today's.

    Args:
        teacher: Resolved settings. Only models of the Hub that vLLM loads here have a revision.
        run: The run that is about to start or to resume.

    Raises:
        EnvironmentProblem: The model is neither on this machine nor to be had.
    """
    model = teacher.model
    if teacher.engine != "vllm" or model is None or Path(model).is_dir():
        return teacher
    revision = teacher.revision
    if revision is None and run.plan.exists():
        recipe = read_plan(run).recipe
        if recipe.get("model") == model:
            revision = str(recipe["revision"])
    return teacher.model_copy(update={"revision": commit_of(model, revision)})


def commit_of(model: str, revision: str | None) -> str:
    """Returns the commit that a branch, tag or commit of a Hub model stands for.

    Without a network it is the commit that was fetched last.

    Args:
        model: A model id such as "castorini/rank_zephyr_7b_v1_full".
        revision: None is the main branch.

    Raises:
        EnvironmentProblem: As for `with_pinned_revision`.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        raise EnvironmentProblem(
            "the package huggingface_hub is not installed",
            'pip install "rankgen-distill[teacher]"',
        ) from None
    try:
        config = hf_hub_download(model, "config.json", revision=revision)
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" .:")
        raise EnvironmentProblem(
            f"the model {model} is no folder and cannot be fetched: {reason}",
            f"fetch it where there is a network (hf download {model}), or name a folder by --model",
        ) from None
    # Snapshots are stored under their commit.
    return Path(config).parent.name
