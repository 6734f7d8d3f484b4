"""The documentation strings of the running interpreter's standard library, read from its source.

Modules are parsed, not imported: importing a whole standard library opens windows, starts threads
and prints poems.
"""

from __future__ import annotations

import ast
import inspect
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.progress import progress

# Folders outside the library's documentation: tests, applications, old copies, other packages.
_LEFT_OUT = frozenset(
    {
        "__pycache__",
        "dist-packages",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "site-packages",
        "test",
        "tests",
        "turtledemo",
    }
)
_SENTENCE = re.compile(r"(.+?[.!?])\s+(?=[A-Z*`'\"(])(.*)", re.DOTALL)


class DocString(NamedTuple):
    """What a module, class or function such as "json.dumps" says of itself.

    The first sentence and the rest, which may be empty, are on one line each.
    """

    name: str
    summary: str
    body: str


def read_docstrings(library: Path | None = None) -> Iterator[DocString]:
    """Yields the documentation strings of a library by module name, then by position.

    Args:
        library: A folder of Python files; None means the running interpreter's standard library.
    """
    root = Path(sysconfig.get_path("stdlib")) if library is None else library
    modules = {path.relative_to(root).with_suffix("").parts: path for path in root.rglob("*.py")}
    kept = sorted(parts for parts in modules if not _LEFT_OUT & set(parts[:-1]))
    with progress("read Python's docs", len(kept)) as shown:
        for parts in kept:
            shown.advance()
            try:
                tree = ast.parse(modules[parts].read_bytes())
            except (SyntaxError, ValueError):
                # Some libraries ship deliberately broken files to test their parsers.
                continue
            names = parts[:-1] if parts[-1] == "__init__" else parts
            yield from _docstrings_in(tree, ".".join(names))


def summary_and_body(text: str) -> tuple[str, str]:
    """Splits a documentation string after its first sentence or, at the latest, paragraph."""
    paragraph, _, rest = inspect.cleandoc(text).partition("\n\n")
    paragraph, rest = " ".join(paragraph.split()), " ".join(rest.split())
    sentence = _SENTENCE.fullmatch(paragraph)
    if sentence:
        return sentence[1], f"{sentence[2]} {rest}".strip()
    return paragraph, rest


def _docstrings_in(tree: ast.AST, name: str) -> Iterator[DocString]:
    if isinstance(tree, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(tree)
        if text:
            yield DocString(name, *summary_and_body(text))
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings_in(child, f"{name}.{child.name}")
        elif isinstance(child, ast.stmt | ast.excepthandler):
            # Definitions may be inside `if` and `try`.
            yield from _docstrings_in(child, name)
