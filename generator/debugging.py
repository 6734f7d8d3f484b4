"""Whether `--debug` was given; used by the command line, Ray sessions and label workers."""

from __future__ import annotations

import os

DEBUG_VARIABLE = "RANKGEN_DEBUG"


def debug_wanted() -> bool:
    """Says whether `--debug` was given, or RANKGEN_DEBUG=1 is set."""
    return os.environ.get(DEBUG_VARIABLE) == "1"
