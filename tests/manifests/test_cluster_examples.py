"""The cluster examples are what Ray takes, and name the Ray of the lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "manifests" / "cluster"


def load(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text())
    return values


def test_ray_up_takes_the_example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(load("ray-up.yaml")))


def test_the_rayjob_names_the_locked_ray_and_a_real_command() -> None:
    job = load("kuberay.yaml")
    locked = (ROOT / "requirements" / "gpu.lock").read_text().splitlines()
    cluster = job["spec"]["rayClusterSpec"]
    assert f"ray=={cluster['rayVersion']}" in locked
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} <= volumes
    assert "/runs" in job["spec"]["entrypoint"]


def test_the_rayjobs_command_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from rankgen.generator.cli import app

    words = load("kuberay.yaml")["spec"]["entrypoint"].split()
    assert words.pop(0) == "rankgen"
    result = CliRunner().invoke(app, [*words, "--dry-run"])
    assert "/runs/candidates" in result.output
    assert result.exit_code == 2, "the candidates are not here, but every option is known"
