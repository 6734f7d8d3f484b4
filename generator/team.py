"""Runs one function in several processes of a Ray cluster that torch.distributed joins."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

from rankgen.generator.jobs.cluster import cpus_of_nodes, ray_session, total_gpus
from rankgen.generator.jobs.driver_variables import driver_variables
from rankgen.manifests.errors import EnvironmentProblem, IncompleteRun, RankgenError

# The function resumes from what it wrote, so that a lost node costs the steps since then.
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

    When a process dies, all are started again, at most `RESTARTS` times.

    Args:
        work: Pickled; must resume what an earlier try did.
        workers: How many processes.
        scratch: An absolute folder that every node shares; removed when the work is done.
        may_use_gpus: Whether each process takes a GPU where the cluster has any.
        ray_address: A cluster, or None for this machine.

    Raises:
        EnvironmentProblem: The cluster has too few GPUs or CPUs.
        IncompleteRun: The processes died too often.
        RankgenError: What `work` raised.
    """
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    with ray_session(ray_address):
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError

        is_on_gpu = may_use_gpus and total_gpus() > 0
        scaling = ScalingConfig(
            num_workers=workers,
            use_gpu=is_on_gpu,
            resources_per_worker=_resources(workers, is_on_gpu),
        )
        trainer = TorchTrainer(
            _Guarded(work, scratch),
            scaling_config=scaling,
            run_config=RunConfig(
                name="team",
                storage_path=str(scratch),
                failure_config=FailureConfig(max_failures=RESTARTS),
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise IncompleteRun(
                f"the workers died {RESTARTS + 1} times: {reason}", "repeat the command to resume"
            ) from error
    error_file = next(iter(sorted(scratch.glob("error-*.pickle"))), None)
    raised: RankgenError | None = None
    if error_file is not None:
        raised = pickle.loads(error_file.read_bytes())  # our own workers wrote it
    shutil.rmtree(scratch, ignore_errors=True)
    if raised is not None:
        raise raised


class _Guarded:
    """Takes the driver's keys over; keeps an error of ours, which another try would meet again."""

    def __init__(self, work: Callable[[], None], scratch: Path) -> None:
        self._work, self._scratch = work, scratch
        self._variables = driver_variables()

    def __call__(self) -> None:
        self._variables.take_over()
        import ray.train

        try:
            self._work()
        except RankgenError as error:
            rank = ray.train.get_context().get_world_rank()
            self._scratch.mkdir(parents=True, exist_ok=True)
            (self._scratch / f"error-{rank}.pickle").write_bytes(pickle.dumps(error))


def _resources(workers: int, is_on_gpu: bool) -> dict[str, float]:
    """Returns what each worker reserves: a GPU, or an equal share of the CPUs."""
    if is_on_gpu:
        if total_gpus() < workers:
            raise EnvironmentProblem(
                f"{workers} workers need as many GPUs, and the cluster has {total_gpus()}",
                "lower --workers, or use --device cpu",
            )
        return {"GPU": 1.0, "CPU": 1.0}
    nodes = cpus_of_nodes()
    if sum(nodes) < workers:
        raise EnvironmentProblem(
            f"{workers} workers need as many CPUs, and the cluster has {sum(nodes)}",
            "lower --workers",
        )
    return {"CPU": float(max(1, min(*nodes, sum(nodes) // workers)))}
