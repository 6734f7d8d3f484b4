"""Keeps the files by which sentence-transformers makes a model's input, when the model is saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from rankgen.students.model.families.layout import TRANSFORMER_FILES, Layout
from rankgen.students.model.families.processing import LOADING

IDENTITY = "torch.nn.modules.linear.Identity"


def keep_files(layout: Layout, folder: Path) -> None:
    """Copies the module files of a checkpoint, so that a student keeps its prompt and template.

    Lengths are left out: a student cuts as in its training, and its tokenizer says after how many
    tokens. The score that is loaded again is the logit itself.

    Args:
        layout: The checkpoint.
        folder: Where the student is saved.
    """
    for name in layout.module_files():
        found = layout.file(name)
        if found is None:
            continue
        (folder / name).parent.mkdir(exist_ok=True)
        if name in TRANSFORMER_FILES:
            _write(folder / name, without_lengths(_read(found)))
        elif name == "config_sentence_transformers.json":
            # Its default, a sigmoid, ties large scores in 32 bits.
            _write(folder / name, {**_read(found), "activation_fn": IDENTITY})
        else:
            shutil.copyfile(found, folder / name)


def without_lengths(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings of sentence-transformers' first module without where pairs are cut."""
    kept = {name: value for name, value in settings.items() if name != "max_seq_length"}
    for name in LOADING:
        if name in kept:
            kept[name] = {k: v for k, v in kept[name].items() if k != "model_max_length"}
    calls = kept.get("processing_kwargs")
    if calls:
        kept["processing_kwargs"] = {
            part: {k: v for k, v in given.items() if k not in ("max_length", "truncation")}
            for part, given in calls.items()
        }
    return kept


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
