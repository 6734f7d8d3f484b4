"""The recipes that ship with rankgen, as TOML beside this file."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped_recipes() -> dict[str, Path]:
    """Returns name -> file of every shipped recipe."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}
