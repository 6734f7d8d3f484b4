"""Lists that a tiny backbone can learn, and the training of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from safetensors.torch import load_file

from rankgen.students.training.metrics_log import metrics_path
from rankgen.students.training.settings import TrainSettings

Texts = tuple[dict[str, list[str]], dict[str, str], dict[str, str]]
WORDS = [f"{letter}{vowel}{last}" for letter in "bdfgklm" for vowel in "aeiou" for last in "nt"]


class Killed(Exception):
    """Replaces kill -9 in a test: no code between the steps catches it."""


def toy_lists(queries: int, passages: int) -> Texts:
    """Passages of a list hold 0, 1, 2, ... times the word that makes a passage good."""
    draw = random.Random(5)
    orders, documents = {}, {}
    for number in range(queries):
        order = []
        for place in range(passages):
            good = passages - 1 - place
            words = ["good"] * good + draw.choices(WORDS, k=passages - good)
            draw.shuffle(words)
            documents[f"d{number}-{place}"] = " ".join(words)
            order.append(f"d{number}-{place}")
        orders[f"q{number:02d}"] = order
    return orders, dict.fromkeys(orders, "which is good"), documents


def settings_of(recipe: dict[str, object], **changed: object) -> TrainSettings:
    return TrainSettings.model_validate(recipe | changed)


def weights(student: Path) -> dict[str, torch.Tensor]:
    return load_file(student / "model.safetensors")


def lines(settings: TrainSettings) -> list[dict[str, float]]:
    """Returns what a training wrote down: a line a step and a line a validation."""
    text = metrics_path(settings.out).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
