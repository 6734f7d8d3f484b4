"""The `rankgen` command."""

from __future__ import annotations

import os
import sys

import typer

from rankgen.generator.commands.doctor import doctor
from rankgen.generator.commands.evaluate import evaluate
from rankgen.generator.commands.label import label
from rankgen.generator.commands.negatives import negatives
from rankgen.generator.commands.quickstart import quickstart
from rankgen.generator.commands.reporting import print_in_any_encoding
from rankgen.generator.commands.reproduce import reproduce
from rankgen.generator.commands.rerank import rerank
from rankgen.generator.commands.retrieve import retrieve
from rankgen.generator.commands.run import run
from rankgen.generator.commands.status import status
from rankgen.generator.commands.train_student import train_student
from rankgen.generator.commands.verify import verify
from rankgen.generator.debugging import DEBUG_VARIABLE

app = typer.Typer(
    name="rankgen",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("retrieve")(retrieve)
app.command("label")(label)
app.command("negatives")(negatives)
app.command("train-student")(train_student)
app.command("rerank")(rerank)
app.command("evaluate")(evaluate)
app.command("reproduce")(reproduce)
app.command("run")(run)
app.command("quickstart")(quickstart)
app.command("doctor")(doctor)
app.command("status")(status)
app.command("verify")(verify)


@app.callback()
def rankgen(
    debug: bool = typer.Option(
        False,
        "--debug",
        help="Show tracebacks and the workers' own output; works after a command too.",
    ),
) -> None:
    """Turns a large LLM's ranking skill into training data, and the data into small re-rankers.

    Every command resumes when it is repeated. Exit codes: 0 done, 2 usage, 3 environment,
    4 incomplete but resumable, 5 integrity, 130 interrupted.
    """
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def main() -> None:
    """Runs the command line; `--debug` may stand anywhere."""
    print_in_any_encoding()
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ[DEBUG_VARIABLE] = "1"
    app(arguments)
