"""Runs a function in several processes of a Ray cluster, joined by torch.distributed."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

from rankgen.generator.shards.cluster import cpus_of_nodes, ray_session, total_gpus
from rankgen.generator.shards.driver_variables import driver_variables
from rankgen.manifests.errors import EnvironmentProblem, IncompleteRun, RankgenError, last_line
from rankgen.manifests.storage.atomic import write_whole

# The function resumes from what it wrote, so a lost node costs only the steps since then.
RESTARTS = 3


def run_in_team(
    work: Callable[[], None],
    workers: int,
    scratch: Path,
    *,
    may_use_gpus: bool,
    ray_address: str | None = None,
) -> None:
    """Runs `work` in processes that Ray Train starts: on GPUs with NCCL, else with gloo.

    If one of them fails, all are restarted, at most `RESTARTS` times. A `RankgenError` ends them
    without a restart, since it would only happen again.

    Args:
        work: The function; pickled. It must resume what an earlier try did.
        workers: Number of processes.
        scratch: An absolute folder that every node shares; removed at the end.
        may_use_gpus: Whether each process uses a GPU if the cluster has any.
        ray_address: A cluster, or None for this machine.

    Raises:
        EnvironmentProblem: The cluster has too few GPUs or CPUs.
        IncompleteRun: The processes failed too often.
        RankgenError: `work` raised it in one of them.
    """
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    # A process that waits for a failed one cannot leave its group, so it is ended without that.
    os.environ.setdefault("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", "2")
    with ray_session(ray_address):
        is_on_gpu = may_use_gpus and total_gpus() > 0
        reserved = shares(workers, is_on_gpu)
        # A killed driver may have left files here.
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            for attempt in range(1 + RESTARTS):
                failure = _one_try(work, workers, scratch / str(attempt), is_on_gpu, reserved)
                if failure is None:
                    return
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    raise IncompleteRun(
        f"the workers failed {1 + RESTARTS} times: {failure}", "repeat the command to resume"
    )


def _one_try(
    work: Callable[[], None],
    workers: int,
    folder: Path,
    is_on_gpu: bool,
    reserved: dict[str, float],
) -> str | None:
    """Runs `work` once in all processes; returns why they failed, or None.

    Raises:
        RankgenError: `work` raised it in one of them.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    trainer = TorchTrainer(
        _Guarded(work, folder),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=is_on_gpu, resources_per_worker=reserved
        ),
        run_config=RunConfig(
            name="team", storage_path=str(folder), failure_config=FailureConfig(max_failures=0)
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        for path in sorted(folder.glob("error-*.pickle")):
            raised: RankgenError = pickle.loads(path.read_bytes())  # our own workers wrote it
            raise raised from None
        return last_line(_first_failure(error))
    return None


def _first_failure(error: Exception) -> Exception:
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    return failures[min(failures)] if failures else error


class _Guarded:
    """Runs the function with the driver's variables; stores a `RankgenError` for the driver.

    The error is then raised, which ends the other processes.
    """

    def __init__(self, work: Callable[[], None], folder: Path) -> None:
        self._work, self._folder = work, folder
        self._variables = driver_variables()

    def __call__(self) -> None:
        self._variables.take_over()
        import ray.train

        try:
            self._work()
        except RankgenError as error:
            rank = ray.train.get_context().get_world_rank()
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._folder / f"error-{rank}.pickle", pickle.dumps(error))
            raise


def shares(
    workers: int, is_on_gpu: bool, named: tuple[str, str] = ("workers", "--workers")
) -> dict[str, float]:
    """Returns the resources of each of several processes: a GPU, or an equal share of the CPUs.

    Args:
        workers: Number of processes.
        is_on_gpu: Whether each uses a GPU.
        named: What the processes are called, and the option with their number.

    Raises:
        EnvironmentProblem: The cluster has too few GPUs or CPUs.
    """
    word, option = named
    if is_on_gpu:
        if total_gpus() < workers:
            raise EnvironmentProblem(
                f"{workers} {word} need {workers} GPUs, but the cluster has {total_gpus()}",
                f"lower {option}, or use --device cpu",
            )
        return {"GPU": 1.0, "CPU": 1.0}
    nodes = cpus_of_nodes()
    if sum(nodes) < workers:
        raise EnvironmentProblem(
            f"{workers} {word} need {workers} CPUs, but the cluster has {sum(nodes)}",
            f"lower {option}",
        )
    return {"CPU": float(max(1, min(*nodes, sum(nodes) // workers)))}
