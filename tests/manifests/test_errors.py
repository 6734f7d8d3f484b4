"""What a library says, as the end of one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rankgen.manifests.errors import last_line, reason_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError(), "ValueError"),
        (ValueError(" \n "), "ValueError"),
        (ValueError("\n\n not  a number.\nsee below"), "not a number"),
        (OSError(2, "No such file or directory", "here"), "No such file or directory"),
        (RuntimeError("cannot be fetched", object()), "cannot be fetched"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"), "'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_the_reason_is_one_line(error: Exception, reason: str) -> None:
    assert reason_of(error).startswith(reason)
    assert "\n" not in reason_of(error)


def test_a_long_reason_is_cut() -> None:
    assert len(reason_of(ValueError("x" * 1000))) < 301


def test_the_last_line_stands_below_a_traceback() -> None:
    assert last_line(ValueError("Traceback:\n  line\nTypeError: no\n\n")) == "TypeError: no"
    assert last_line(ValueError()) == "ValueError"


def test_nobody_spells_it_in_another_way() -> None:
    spelled = re.compile(r"str\(error\)[^\n]*(?:splitlines|split)\(")
    paths = [
        p for room in ("generator", "retrieval", "students") for p in (ROOT / room).rglob("*.py")
    ]
    assert [str(path) for path in paths if spelled.search(path.read_text())] == []
