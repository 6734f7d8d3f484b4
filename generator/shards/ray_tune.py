"""Ray Tune without lines of its own: we tell what became of each trial."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rankgen.generator.debugging import debug_wanted
from rankgen.manifests.errors import EnvironmentProblem

if TYPE_CHECKING:
    from ray.tune import Callback

# Its last line, of trials whose failures are in the results.
_TOLD_BY_US = "Trials did not complete"


def ray_tune() -> Any:
    """Returns Ray Tune.

    Raises:
        EnvironmentProblem: It lacks a package.
    """
    try:
        import ray.tune
        import ray.tune.schedulers
    except ImportError:
        raise EnvironmentProblem(
            "Ray Tune lacks a package", "pip install 'rankgen-distill[students]'"
        ) from None
    return ray.tune


def told_of_ends(ended: Callable[[int], None]) -> Callback:
    """Returns a callback that tells `ended` the number of each trial that has ended."""
    from ray.tune.progress_reporter import TrialProgressCallback

    class Told(TrialProgressCallback):
        """Takes the place of the callback that prints results whatever the verbosity."""

        def log_result(self, *result: Any, **named: Any) -> None:
            """Prints nothing."""

        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            ended(trial.config["trial"])

    return Told()


def quieten() -> None:
    """Has Ray Tune write no logs and results of its own, and leave Ctrl-C to us.

    Failures of trials are in its results; with --debug it also prints them with their tracebacks.
    """
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    # With its newer output it would leave our callback out.
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    # A process takes its next trial when the thread of a stopped one has ended.
    os.environ.setdefault("TUNE_FUNCTION_THREAD_TIMEOUT_S", "60")
    if not debug_wanted():
        os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
        logging.getLogger("ray.tune.tune").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_TOLD_BY_US)
