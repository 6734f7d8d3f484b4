"""The console script, installed as `rankgen_distill` so that it outlives a foreign `rankgen`.

An unrelated package on PyPI is also called `rankgen`. Where both are installed, that one's
`rankgen/__init__.py` shadows our namespace; this module stands outside it and can say so.
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
