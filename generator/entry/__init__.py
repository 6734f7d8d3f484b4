"""The console script, installed as `rankgen_distill` so that another `rankgen` cannot hide it.

An unrelated package on PyPI is also called `rankgen`. If both are installed, its
`rankgen/__init__.py` hides our namespace; this module is outside of it and can report that.
"""

import importlib.util
import sys


def main() -> None:
    """Runs the `rankgen` command."""
    found = importlib.util.find_spec("rankgen")
    if found is not None and found.origin is not None:
        print(
            f"error: another package named rankgen ({found.origin}) hides this one\n"
            "hint: pip uninstall rankgen, or use a fresh virtual environment",
            file=sys.stderr,
        )
        raise SystemExit(3)
    from rankgen.generator.cli import main as run

    run()
