"""Every command: its line in `rankgen --help`, and whether a recipe may have it as a step.

A command NAME is the function of that name (with `_` for `-`) in the module of that name beside
this one, unless its entry names another: some names are words of Python. Its parameters are
settings, and their fields its options; see `from_models`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        about: What it does, in a line.
        is_step: Whether it can be a step of a recipe.
        called: The name of its module and function; None for its own.
    """

    about: str
    is_step: bool = False
    called: str | None = None


COMMANDS = {
    "retrieve": Command("Find candidates for every query of a collection.", is_step=True),
    "label": Command("Have a teacher order every query's candidates.", is_step=True),
    "negatives": Command(
        "Draw hard negatives for judged queries: lists to train on with --loss lce.", is_step=True
    ),
    "import": Command(
        "Make a run of rankings that others published, such as Rank-DistiLLM, RLHN or a TREC run.",
        is_step=True,
        called="import_form",
    ),
    "subsample": Command(
        "Cut a part out of a labelled set, by queries and by depth, without labelling again.",
        is_step=True,
    ),
    "mix": Command("Make one labelled set out of several teachers' rankings.", is_step=True),
    "train-student": Command("Train a small re-ranker on a teacher's rankings.", is_step=True),
    "rerank": Command("Have a student order every query's candidates.", is_step=True),
    "evaluate": Command(
        "Score first stage, teachers and students as trec_eval does.", is_step=True
    ),
    "ship": Command(
        "Make a student a folder that servers load (ONNX, int8, OpenVINO), unless it ranks worse."
    ),
    "compare": Command("Tell how far the rankings of runs agree, and what each cost."),
    "report": Command(
        "Write a page that shows what a teacher did, query by query, or compares evaluations."
    ),
    "audit": Command(
        "Label a sample again in other orders: how far a teacher follows the order it is given."
    ),
    "export": Command("Write a run as a file that other tools train on: one of the public forms."),
    "ablate": Command(
        "Train and evaluate students on parts of labelled sets: depth x queries x first stage.",
        is_step=True,
    ),
    "tune": Command(
        "Search for a training's settings on validation; worse trials are stopped early.",
        is_step=True,
    ),
    "soup": Command(
        "Average the weights of students of one backbone, such as several seeds, into one.",
        is_step=True,
    ),
    "reproduce": Command(
        "Print the paper's figures beside your own, and what is missing.", is_step=True
    ),
    "run": Command("Run a recipe; repeat the command to resume it."),
    "quickstart": Command(
        "Retrieve, label, train and evaluate on Python's own documentation, in some minutes."
    ),
    "python-docs": Command(
        "Write a collection made of this Python's own documentation.", is_step=True
    ),
    "doctor": Command(
        "Check this machine: what rankgen needs, what is missing, and how to mend it."
    ),
    "status": Command(
        "Show how far a run is and who works on it, from any machine that sees its folder."
    ),
    "show": Command(
        "Show one query in the terminal: both orders side by side, what moved, and every window."
    ),
    "serve": Command("Show a run in a browser, however large it is: a server on this machine."),
    "verify": Command(
        "Check that a run holds exactly what was committed; exit code 5 if it does not."
    ),
    "publish": Command(
        "Make a data set of a run for others: Parquet files, a card and checksums, in a folder, "
        "on S3 or on the Hugging Face Hub."
    ),
}
STEPS = tuple(name for name, entry in COMMANDS.items() if entry.is_step)


def function_of(name: str) -> Callable[..., None]:
    """Imports a command's function; its parameters are the command's settings."""
    word = COMMANDS[name].called or name.replace("-", "_")
    module = importlib.import_module(f"rankgen.generator.commands.{word}")
    return cast(Callable[..., None], getattr(module, word))
