"""Fills the page's template; everything that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

WEB = Path(__file__).with_name("web")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": _count,
        "number": _number,
        "share": _share,
        "brief": _brief,
        "duration": _duration,
    }
    return made


def filled(name: str, values: Mapping[str, object]) -> str:
    """Returns a page.

    Args:
        name: A file of `web/templates`.
        values: What the template names.
    """
    style = (WEB / "page.css").read_text(encoding="utf-8")
    program = (WEB / "bundle" / "page.js").read_text(encoding="utf-8")
    return _environment().get_template(name).render(style=style, program=program, **values)


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _brief(value: int) -> str:
    """Returns a large number in few characters, such as 3.4 M."""
    for size, word in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.1f} {word}"
    return str(value)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
