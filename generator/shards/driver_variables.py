"""The driver's keys and endpoints, for workers of a cluster that was started without them.

They travel as an argument of the worker's first call. Ray's runtime environment would keep them in
the job's configuration, which the dashboard, the job table and the agents' logs show.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from rankgen.generator.shards.environment import set_variables

# Each row belongs together: half of one account's key with half of another's opens nothing.
# Folders (HF_HOME, RANKGEN_CACHE) and AWS_PROFILE are left out: they name files of one machine.
PASSED = (
    ("OPENAI_API_KEY",),
    ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    ("HF_ENDPOINT",),
    ("HF_HUB_OFFLINE",),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ("AWS_REGION", "AWS_DEFAULT_REGION"),
    ("AWS_ENDPOINT_URL",),
    ("AWS_ENDPOINT_URL_S3",),
    ("RANKGEN_DEBUG",),
)


@dataclass(frozen=True, repr=False)
class DriverVariables:
    """Named environment variables of the driver; no repr, so that no message can show them.

    Attributes:
        values: Name -> value; None is a variable that the worker must not have.
    """

    values: dict[str, str | None]

    def take_over(self) -> None:
        """Sets them in this process; to be called before anything that reads them is imported."""
        set_variables(self.values)


def driver_variables(passed: Iterable[tuple[str, ...]] = PASSED) -> DriverVariables:
    """Returns what the driver has of the variables that `passed` lists; a row goes as a whole.

    A row that the driver has nothing of is left as it is on the worker.
    """
    rows = [row for row in passed if any(os.environ.get(name) for name in row)]
    return DriverVariables({name: os.environ.get(name) or None for row in rows for name in row})
