"""Passes the driver's keys and endpoints to workers on a cluster that was started without them.

They are an argument of the worker's first call. Ray's runtime environment would store them in the
job's configuration, which the dashboard, the job table and the agents' logs show.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from rankgen.generator.shards.environment import set_variables

# Each row is passed as a whole: the parts of a key belong to one account. Folders (HF_HOME,
# RANKGEN_CACHE) and AWS_PROFILE are left out: they name files of one machine.
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
    """Environment variables of the driver; without a repr, so that no message shows them.

    Attributes:
        values: Name -> value; None for a variable that the worker must not have.
    """

    values: dict[str, str | None]

    def take_over(self) -> None:
        """Sets the variables in this process; call it before importing anything that reads them."""
        set_variables(self.values)


def driver_variables(passed: Iterable[tuple[str, ...]] = PASSED) -> DriverVariables:
    """Returns the driver's values of the variables in `passed`.

    A row of which the driver has no variable is left unchanged on the worker.
    """
    rows = [row for row in passed if any(os.environ.get(name) for name in row)]
    return DriverVariables({name: os.environ.get(name) or None for row in rows for name in row})
