"""Which suite is evaluated, and which part of it."""

from __future__ import annotations

from typing import Annotated

from rankgen.manifests.options import Option, Settings


class SuiteChoice(Settings):
    """Many judged collections at once, instead of one."""

    panel = "Suites"
    suite: Annotated[
        str | None,
        Option(
            "Evaluate students on every task of a suite: nanobeir, beir, dl, tirex-free, bright, "
            "miracl, or a folder with one folder a task in BEIR's layout or with NanoBEIR's parts.",
            metavar="NAME|FOLDER",
        ),
    ] = None
    tasks: Annotated[
        tuple[str, ...],
        Option(
            "Only this task of the suite; repeatable.", "all", "NAME", flags=("--task", "--tasks")
        ),
    ] = ()
