"""The two locks as the tests read them."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
REQUIREMENTS = REPOSITORY / "requirements"
LOCKS = ("cpu.lock", "gpu.lock")
PYTHONS = ("3.11", "3.12", "3.13")


def lines_of(name: str) -> list[str]:
    """The lines of a file in `requirements/` that are no comments."""
    lines = (REQUIREMENTS / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins_of(lock: str) -> dict[NormalizedName, Version]:
    """The version of each package of a lock."""
    pins = {}
    for line in lines_of(lock):
        name, version = line.split("==")
        pins[canonicalize_name(name)] = Version(version)
    return pins


def excluded_from(lock: str) -> set[NormalizedName]:
    """The packages that are left out of a lock though others ask for them."""
    return {canonicalize_name(name) for name in lines_of(lock.replace(".lock", ".excludes"))}


def broken(
    requirements: list[str], pins: dict[NormalizedName, Version], python: str, extras: set[str]
) -> list[str]:
    """Those of a package's requirements, on one Python, that pins leave out or do not satisfy."""
    wrong = []
    for requirement in map(Requirement, requirements):
        environments = [
            {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
            for extra in ("", *extras)
        ]
        if requirement.marker and not any(map(requirement.marker.evaluate, environments)):
            continue
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin, prereleases=True):
            wrong.append(f"{requirement} but the lock has {pin}")
    return wrong
