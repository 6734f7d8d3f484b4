"""`requirements/install.sh`, as make calls it, with small packages in place of PyTorch.

pip is the real one; its index and the index of CPU builds are folders.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from locks import REQUIREMENTS


@dataclass
class Machine:
    """A checkout with a lock, and the two indexes that its pip can reach."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def publish(self, index: str, version: str, cuda: str | None) -> None:
        """Puts a PyTorch of some bytes on the index `pypi` or `cpu`."""
        folder = self.folder / index / "torch"
        folder.mkdir(parents=True, exist_ok=True)
        info = f"torch-{version}.dist-info"
        with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as wheel:
            code = f"import types\nversion = types.SimpleNamespace(cuda={cuda!r})\n"
            wheel.writestr("torch.py", code)
            wheel.writestr(f"{info}/METADATA", f"Name: torch\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        links = [f"<a href='{each.name}'>{each.name}</a>" for each in folder.glob("*.whl")]
        (folder / "index.html").write_text("\n".join(links), encoding="utf-8")

    def install(
        self, torch: str, lock: str = "some.lock", python: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Installs a lock that pins nothing but PyTorch."""
        (self.folder / "requirements" / lock).write_text(f"torch=={torch}\n", encoding="utf-8")
        return self.script(f"requirements/{lock}", ".venv", python)

    def script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["requirements/install.sh", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self) -> Mapping[str, str]:
        """The process's own, with a pip that knows only the folders."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        for index in ("pypi", "cpu"):
            (self.folder / index).mkdir(exist_ok=True)
        return kept | {
            **self.settings,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": (self.folder / "pypi").as_uri(),
            "TORCH_INDEX": (self.folder / "cpu").as_uri(),
        }

    def installed(self) -> str | None:
        """The version of PyTorch in the virtual environment."""
        found = list((self.folder / ".venv").glob("lib/python*/site-packages/torch-*.dist-info"))
        return found[0].name[len("torch-") : -len(".dist-info")] if found else None


@pytest.fixture(scope="module")
def empty_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture
def machine(tmp_path: Path, empty_venv: Path) -> Machine:
    # pip takes its place from the folder that its interpreter lies in, so a copy is a new one.
    shutil.copytree(empty_venv, tmp_path / ".venv", symlinks=True)
    (tmp_path / "requirements").mkdir()
    shutil.copy(REQUIREMENTS / "install.sh", tmp_path / "requirements")
    (tmp_path / "requirements" / "gpu.lock").write_text("torch==9.9\n", encoding="utf-8")
    return Machine(tmp_path)


def test_a_gpu_lock_never_falls_back_to_the_cpu_build(machine: Machine) -> None:
    machine.publish("pypi", "9.9+cpu", cuda=None)
    machine.publish("cpu", "9.9+cpu", cuda=None)
    done = machine.install("9.9")
    assert done.returncode == 3
    assert "No matching distribution found for torch===9.9" in done.stderr
    assert "PyTorch 9.9 for CUDA cannot be installed" in done.stderr
    assert machine.installed() is None


def test_a_gpu_lock_refuses_a_build_without_cuda(machine: Machine) -> None:
    machine.publish("pypi", "9.9", cuda=None)
    done = machine.install("9.9")
    assert done.returncode == 3
    assert "a CPU build (torch.version.cuda is None)" in done.stderr


def test_a_gpu_lock_takes_the_build_with_cuda(machine: Machine) -> None:
    machine.publish("pypi", "9.9", cuda="13.0")
    machine.publish("pypi", "9.9+cpu", cuda=None)
    done = machine.install("9.9")
    assert (done.returncode, done.stderr, machine.installed()) == (0, "", "9.9")


@pytest.mark.parametrize("index", ["pypi", "cpu"])
def test_a_cpu_lock_takes_the_cpu_build_from_either_index(machine: Machine, index: str) -> None:
    machine.publish("pypi", "9.9", cuda="13.0")
    machine.publish(index, "9.9+cpu", cuda=None)
    done = machine.install("9.9+cpu")
    assert (done.returncode, done.stderr, machine.installed()) == (0, "", "9.9+cpu")
    assert "CUDA" not in done.stdout


@pytest.mark.parametrize("constrained", [False, True])
def test_a_cpu_lock_without_a_cpu_build_says_what_it_takes(
    machine: Machine, constrained: bool
) -> None:
    machine.publish("pypi", "9.9", cuda="13.0")
    if constrained:
        (machine.folder / "constraints.txt").write_text("torch<=10\n", encoding="utf-8")
        machine.settings["PIP_CONSTRAINT"] = str(machine.folder / "constraints.txt")
    done = machine.install("9.9+cpu")
    assert (done.returncode, machine.installed()) == (0, "9.9")
    assert "PyTorch 9.9+cpu is neither on this machine's package index nor at file:" in done.stdout
    assert "installing PyTorch 9.9 for CUDA with its libraries instead" in done.stdout


def test_a_cpu_lock_that_fails_shows_pips_own_words(machine: Machine) -> None:
    done = machine.install("9.9+cpu")
    assert done.returncode == 3
    assert "No matching distribution found for torch==9.9+cpu" in done.stderr
    assert "PyTorch 9.9+cpu cannot be installed" in done.stderr


def test_a_broken_download_is_no_reason_for_another_build(machine: Machine) -> None:
    machine.publish("pypi", "9.9", cuda="13.0")
    machine.publish("pypi", "9.9+cpu", cuda=None)
    wheel = machine.folder / "pypi/torch/torch-9.9+cpu-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:50])
    done = machine.install("9.9+cpu")
    assert done.returncode == 3
    assert "PyTorch 9.9+cpu cannot be installed" in done.stderr
    assert machine.installed() is None


def test_two_locks_are_not_mixed_in_one_environment(machine: Machine) -> None:
    (machine.folder / ".venv/installed-requirements-cpu.lock").touch()
    done = machine.install("9.9", lock="gpu.lock")
    assert done.returncode == 3
    assert "holds another lock (requirements-cpu.lock)" in done.stderr


def python_that_says(version: str, folder: Path) -> str:
    """A stand-in for an interpreter that is not on this machine."""
    python = folder / f"python{version}"
    python.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
    python.chmod(0o755)
    return str(python)


@pytest.mark.parametrize("version", ["2.7", "3.10", "3.14", "4.0"])
def test_another_python_is_refused_with_those_that_will_do(machine: Machine, version: str) -> None:
    shutil.rmtree(machine.folder / ".venv")
    python = python_that_says(version, machine.folder)
    done = machine.install("9.9", python=python)
    assert done.returncode == 3
    assert "rankgen needs Python 3.11 to 3.13" in done.stderr
    assert f"is Python {version};" in done.stderr
    assert not (machine.folder / ".venv").exists()


def test_a_python_that_is_not_there_is_named(machine: Machine) -> None:
    done = machine.script("--check-python", "elsewhere", "python3.99")
    assert done.returncode == 3
    assert "python3.99 cannot be run" in done.stderr


def test_a_named_python_must_be_that_of_the_environment(machine: Machine) -> None:
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = "3.12" if ours != "3.12" else "3.13"
    python = python_that_says(other, machine.folder)
    done = machine.script("--check-python", ".venv", python)
    assert done.returncode == 3
    assert f".venv was made with Python {ours} and {python} is Python {other}" in done.stderr
    assert machine.script("--check-python", ".venv", sys.executable).returncode == 0
    assert machine.script("--check-python", ".venv").returncode == 0
