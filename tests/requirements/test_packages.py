"""What an editor, mypy and a wheel find of the rooms: the same packages, by plain paths."""

from __future__ import annotations

import tomllib
from pathlib import Path

from setuptools import find_namespace_packages

ROOT = Path(__file__).parents[2]
ROOMS = ("generator", "manifests", "retrieval", "students")


def test_src_has_a_link_to_every_room() -> None:
    links = {path.name: path for path in (ROOT / "src" / "rankgen").iterdir() if path.is_symlink()}
    assert set(links) == set(ROOMS)
    for room in ROOMS:
        assert not links[room].readlink().is_absolute()
        assert links[room].resolve() == ROOT / room


def test_every_folder_with_code_is_a_package_of_the_wheel() -> None:
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    wanted = {"rankgen." + ".".join(folder.relative_to(ROOT).parts) for folder in folders}
    entry = "rankgen.generator.entry"
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = find_namespace_packages(str(ROOT / "src"), exclude=told["packages"]["find"]["exclude"])
    assert set(found) == (wanted - {entry}) | {"rankgen", "rankgen_distill"}
    assert all((folder / "__init__.py").is_file() for folder in folders)
