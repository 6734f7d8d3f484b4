"""rankgen: a large LLM's ranking skill as training data, and the data as small re-rankers.

`rankgen.retrieve`, `label`, `train_student` and `evaluate` are the steps of the `rankgen` command,
and `import_rankings`, `subsample`, `mix`, `export` and `publish` what it does with labelled sets: a
keyword is a setting under the name that it has on the command line and in recipes
(`docs/commands.md` lists them). Whatever makes a run returns a `Result`, which pandas and Polars
take as a table.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rankgen.generator.api.results import Result
    from rankgen.generator.api.sets import export, import_rankings, mix, publish, subsample
    from rankgen.generator.api.steps import evaluate, label, retrieve, train_student

_SETS = ["export", "import_rankings", "mix", "publish", "subsample"]
__all__ = [
    "Result",
    "evaluate",
    "export",
    "import_rankings",
    "label",
    "mix",
    "publish",
    "retrieve",
    "subsample",
    "train_student",
]


def __getattr__(name: str) -> object:
    """Imports a step when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'rankgen' has no attribute '{name}'")
    room = "results" if name == "Result" else "sets" if name in _SETS else "steps"
    return getattr(importlib.import_module(f"rankgen.generator.api.{room}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
