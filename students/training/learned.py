"""Whether a training learns the teacher's scores or its order."""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.losses import LossPart
from rankgen.students.training.settings import TrainSettings


def with_targets(settings: TrainSettings, loss: Sequence[LossPart]) -> TrainSettings:
    """Returns the settings with what `auto` means for this loss and these rankings.

    Raises:
        UsageError: The loss learns scores that some rankings lack, or `targets` asks for what the
            loss does not learn.
    """
    needing = [part.loss.name for part in loss if part.loss.scores == "needed"]
    able = [part.loss.name for part in loss if part.loss.scores != "no"]
    wanted = settings.targets
    if wanted == "order" and needing:
        raise UsageError(
            f"the loss '{needing[0]}' learns the teacher's scores, not its order",
            "leave --targets out, or use a loss on orders: --loss ranknet",
        )
    if wanted == "scores" and not able:
        raise UsageError(
            f"the loss '{settings.loss}' learns the teacher's order, not its scores",
            "leave --targets out, or use a loss on scores: --loss margin-mse",
        )
    if wanted == "order" or not able:
        return settings.model_copy(update={"targets": "order"})
    run = RunDirectory(settings.rankings)
    scored, total = scored_rankings(run)
    if scored == total:
        return settings.model_copy(update={"targets": "scores"})
    if scored == 0 and wanted == "auto" and not needing:
        return settings.model_copy(update={"targets": "order"})
    raise UsageError(
        f"{total - scored:,} of the {total:,} rankings in {run.root} have no teacher's scores, "
        f"which the loss '{(needing or able)[0]}' learns",
        "use a teacher with scores (such as minilm or recorded:RUN), or "
        + ("--loss ranknet" if needing else "--targets order"),
    )


def scored_rankings(run: RunDirectory) -> tuple[int, int]:
    """Returns how many rankings of a run have the teacher's scores, and how many there are."""
    scored = total = 0
    for shard in run.shards("rankings", ["teacher_scores"]):
        total += shard.num_rows
        scored += shard.num_rows - shard["teacher_scores"].null_count
    return scored, total
