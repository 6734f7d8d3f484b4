"""vLLM serves a student whose architecture its registry has: the card's code, on a real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from shipped_folders import code_of, ours

from rankgen.students.model.loading import load_backbone
from rankgen.students.shipping.servers import servers_of
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.ship import ship
from rankgen.students.shipping.shipped import Shipped

QUERY = "how do plants eat"
PASSAGES = ["Photosynthesis turns light into sugar.", "Rome was founded."]


def test_the_card_says_how_to_serve_it(exact: tuple[Path, Shipped]) -> None:
    servers = servers_of(["BertForSequenceClassification"])
    card = (exact[0] / "README.md").read_text(encoding="utf-8")
    command = f"vllm serve {exact[0].name} --runner pooling --dtype float32"
    assert (command in card) == bool(servers.by_vllm)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vllm_returns_the_students_scores(minilm: str, tmp_path: Path) -> None:
    """A whole engine, in a process of its own; its heads are as wide as the engine's smallest."""
    pytest.importorskip("vllm")
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=30522, **sizes, intermediate_size=128, initializer_range=0.2)
    backbone, student, out = (tmp_path / name for name in ("backbone", "student", "served"))
    BertModel(config).save_pretrained(backbone)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(backbone)
    cuts = {"query_tokens": 8, "passage_tokens": 16}
    load_backbone(str(backbone), seed=0, dropout=0.0, **cuts).save(student)
    ship(ShipSettings(student=str(student), out=out))
    code = code_of(out, "vLLM")
    script = tmp_path / "score.py"
    script.write_text(
        f"import json\n\n\ndef main():\n{_indented(code)}\n"
        '    print("SCORES", json.dumps([float(score) for score in scores]))\n\n\n'
        'if __name__ == "__main__":\n    main()\n'
    )
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("SCORES"))
    scores = np.asarray(json.loads(line.removeprefix("SCORES")))
    assert scores == pytest.approx(ours(student, QUERY, PASSAGES), abs=1e-3)
    assert abs(scores[0] - scores[1]) > 1e-2


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in code.splitlines())
