"""The console script, installed as `rankgen_distill` so that another `rankgen` cannot hide it.

An unrelated package on PyPI is also called `rankgen`. If both are installed, its
`rankgen/__init__.py` replaces ours; this module is outside of it and can report that.
"""

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Runs the `rankgen` command."""
    found = importlib.util.find_spec("rankgen")
    origin = found.origin if found is not None and found.origin is not None else ""
    if found is not None and "rankgen.generator.api" not in _text(origin):
        print(
            f"error: another package named rankgen ({origin}) hides this one\n"
            "hint: pip uninstall rankgen, or use a fresh virtual environment",
            file=sys.stderr,
        )
        raise SystemExit(3)
    from rankgen.generator.cli import main as run

    run()


def _text(path: str) -> str:
    """Returns a file's text without running it; nothing where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
