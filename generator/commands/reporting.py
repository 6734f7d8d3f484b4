"""What every command does alike: results on stdout, one-sentence errors, exit codes."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ParamSpec

import typer

from rankgen.generator.debugging import debug_wanted
from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UnexpectedFault, last_line
from rankgen.manifests.storage.finite_json import json_text
from rankgen.manifests.storage.object_store import store_problem

if TYPE_CHECKING:
    from rankgen.generator.commands.options import Printing

Options = ParamSpec("Options")
INTERRUPTED = 130


def reported(command: Callable[Options, None]) -> Callable[Options, None]:
    """Turns errors into one sentence on stderr and the documented exit codes.

    0 done, 2 usage, 3 environment, 4 incomplete but resumable, 5 integrity, 130 interrupted.
    """

    @functools.wraps(command)
    def run(*args: Options.args, **kwargs: Options.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except RankgenError as error:
            raise typer.Exit(report_error(error)) from None
        except KeyboardInterrupt:
            print("interrupted; repeat the command to resume", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            problem = EnvironmentProblem(
                _os_sentence(error), "free space or fix permissions, then repeat"
            )
            raise typer.Exit(report_error(problem)) from None
        except typer.Exit:
            raise
        except Exception as error:
            unusable = store_problem(error)
            if unusable is not None:
                raise typer.Exit(report_error(unusable)) from None
            # A fault of ours: still one sentence, never a wall of text.
            fault = UnexpectedFault(
                f"unexpected {type(error).__name__}: {last_line(error)}",
                "repeat the command with --debug and report what it prints",
            )
            raise typer.Exit(report_error(fault)) from None

    return run


def report_error(error: RankgenError) -> int:
    """Prints the error and returns its exit code; with --debug the traceback comes first."""
    if debug_wanted():
        traceback.print_exc()
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code


def say(text: str, values: Mapping[str, object], printing: Printing) -> None:
    """Prints a command's result on stdout: `text` for people, `values` with `--json`."""
    # JSON can express every character in ASCII; a replaced one would be another value.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    is_ascii = not encoding.lower().startswith("utf")
    print(json_text(values, ensure_ascii=is_ascii) if printing.as_json else text)


def _os_sentence(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
