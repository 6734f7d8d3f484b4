"""Whether `--debug` was given: asked by the command line, by Ray sessions and by engines."""

from __future__ import annotations

import os

DEBUG_VARIABLE = "RANKGEN_DEBUG"


def debug_wanted() -> bool:
    """Says whether `--debug` was given, or RANKGEN_DEBUG=1 is set."""
    return os.environ.get(DEBUG_VARIABLE) == "1"
