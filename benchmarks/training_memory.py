"""Memory of a training step: the forecast of `train-student --dry-run` beside what a process takes.

    python benchmarks/training_memory.py [TOKENS]

Small models are trained for two steps of two parts on random pairs in processes of their own,
packed and padded, in 32 bits and bfloat16 where that is fast. Three figures are compared for as
many tokens, padding included: the forecast; the live tensors at the peak, summed up by operator;
and the peak of the process above what it held without its model, with the allocator as trainings
set it, which keeps freed blocks, and with one that returns them. Then the same formula gives a
table for public backbones on an A100 of 40 GiB, from their configurations: the tokens that a step
would hold there, and its peak. Nothing in the table was measured.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from backbones_on_a_gpu import GPU_GIB, config_of, table
from live_tensors import LiveTensors
from results_file import write_results

from rankgen.manifests.models.half_precision import is_fast
from rankgen.students.losses import parse_loss
from rankgen.students.model import hardware as hardware_module
from rankgen.students.model.bundled import BUNDLED_BACKBONE, backbone_path
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.scoring import length_sorted_chunks
from rankgen.students.training.batches import TokenList
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer
from rankgen.students.training.step_bytes import held_bytes, size_of

TOKENS = 12_000
SMALL: dict[str, dict[str, int]] = {
    "narrow": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4},
    "wide": {"hidden_size": 512, "num_hidden_layers": 2, "num_attention_heads": 8},
}
TINY = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
KINDS = ("bert", "modernbert")


def write_small(kind: str, sizes: dict[str, int], folder: Path) -> None:
    """Writes a random backbone with MiniLM's tokenizer."""
    from transformers import AutoModel, AutoTokenizer

    between = sizes["hidden_size"] * (4 if kind == "bert" else 2)
    marks = {"pad_token_id": 0, "cls_token_id": 101, "sep_token_id": 102}
    config = config_of(kind, **sizes, **marks, vocab_size=30_522, intermediate_size=between)
    AutoModel.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(backbone_path(BUNDLED_BACKBONE)).save_pretrained(folder)


def random_lists(encoder: Any, tokens: int) -> tuple[list[TokenList], int]:
    """Returns lists of pairs of some 90 tokens that fill a part, and their tokens when padded."""
    draw = np.random.default_rng(0)
    pairs, held = [], 0
    while True:
        query, passage = (
            draw.integers(1_000, 20_000, size=int(n), dtype=np.int32)
            for n in (draw.integers(4, 12), np.clip(draw.lognormal(4.3, 0.45), 10, 256))
        )
        length = encoder.template.length(query, passage)
        if held + length > tokens:
            break
        pairs.append((query, passage))
        held += length
    lengths = [encoder.template.length(*pair) for pair in pairs]
    padded = sum(
        len(chunk) * max(lengths[i] for i in chunk)
        for chunk in length_sorted_chunks(lengths, 2_400)
    )
    return [TokenList("q", pairs, held, np.arange(len(pairs)))], padded


class Prepared(NamedTuple):
    """A training of a small model, ready for its first step.

    Attributes:
        lists: Those of a step of two equal parts.
        computed: Tokens that a part computes, padding included.
        is_packed: Whether there is no padding.
        forecast: What a step holds by the formula, in bytes.
    """

    trainer: Trainer
    lists: list[TokenList]
    weights: int
    computed: int
    is_packed: bool
    forecast: int


def prepared(folder: str, precision: str, tokens: int) -> Prepared:
    """Loads a model and makes its trainer."""
    from rankgen.students.model.packed_forward import why_padded

    encoder = load_backbone(folder, seed=0, query_tokens=32, passage_tokens=256, dropout=0.0)
    settings = TrainSettings(rankings=Path("none"), out=Path("none"), dropout=0.0)
    hardware = choose_hardware("cpu", precision, step_tokens=tokens)
    lists, padded = random_lists(encoder, tokens)
    trainer = Trainer(encoder, parse_loss("ranknet"), settings, hardware, 10)
    size, is_bf16 = size_of(encoder.model), precision == "bf16"
    assert size is not None
    is_packed = why_padded(encoder.model, hardware.device, is_bf16, in_training=True) is None
    computed = lists[0].tokens if is_packed else padded
    weights = sum(parameter.numel() for parameter in encoder.model.parameters())
    held = held_bytes(size, weights, computed, is_bf16, hardware.chunk_tokens)
    return Prepared(trainer, lists * 2, weights, computed, is_packed, sum(held))


def two_steps(here: Prepared) -> None:
    """Trains."""
    for number in range(2):
        here.trainer.run(number, here.lists)


def live_peak(folder: str, precision: str, tokens: int) -> int:
    """Returns the bytes of the tensors that are live at the peak of two steps."""
    here = prepared(folder, precision, tokens)
    model = here.trainer.encoder.model
    with LiveTensors([*model.parameters(), *model.buffers()]) as tensors:
        two_steps(here)
    return tensors.peak


def peak_of_two_steps(folder: str, precision: str, tokens: int, allocator: str) -> dict[str, float]:
    """Trains two steps in this process and returns its figures, in MiB.

    Args:
        folder: The model's; a tiny one of its kind, in "tiny" beside it, loads the libraries first.
        precision: "fp32" or "bf16".
        tokens: Of a part.
        allocator: "keeps" freed blocks, as trainings have it, or "returns" them to the system.
    """
    libc = ctypes.CDLL(None)
    if allocator == "returns":
        hardware_module.keep_freed_memory = lambda: None
        libc.mallopt(hardware_module.M_MMAP_THRESHOLD, 1 << 16)
        libc.mallopt(hardware_module.M_TRIM_THRESHOLD, 0)
    kind, _, _ = Path(folder).name.partition("-")
    two_steps(prepared(str(Path(folder).with_name(f"{kind}-tiny")), precision, 1_000))
    here = prepared(folder, precision, tokens)
    libc.malloc_trim(0)
    # From here on the peak is that of what follows.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS") - 4 * here.weights / 2**20
    two_steps(here)
    return {
        "packed": float(here.is_packed),
        "tokens": here.lists[0].tokens,
        "computed_tokens": here.computed,
        "forecast_mib": round(here.forecast / 2**20),
        "process_mib": round(_status("VmHWM") - before),
    }


def _status(name: str) -> float:
    """Returns a figure of this process in MiB."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) / 1024


def measured(tokens: int) -> dict[str, object]:
    """Trains each small model in each precision, each figure in a process of its own."""
    found: dict[str, object] = {}
    precisions = ("fp32", "bf16") if is_fast("bfloat16", "cpu") else ("fp32",)
    with tempfile.TemporaryDirectory() as scratch:
        for kind in KINDS:
            write_small(kind, TINY, Path(scratch) / f"{kind}-tiny")
            for name, sizes in SMALL.items():
                folder = Path(scratch) / f"{kind}-{name}"
                write_small(kind, sizes, folder)
                for precision in precisions:
                    found[f"{kind}, {name}, {precision}"] = compared(folder, precision, tokens)
    return found


def compared(folder: Path, precision: str, tokens: int) -> dict[str, object]:
    """Returns forecast, live tensors and both peaks of one model in one precision."""
    keeps, returns = (
        dict(_in_process("--process", folder, precision, tokens, allocator))
        for allocator in ("keeps", "returns")
    )
    live = round(_in_process("--live", folder, precision, tokens) / 2**20)
    return {
        **keeps,
        "live_mib": live,
        "process_returning_blocks_mib": returns["process_mib"],
        "forecast_over_live": round(keeps["forecast_mib"] / live, 2),
        "process_over_live": round(keeps["process_mib"] / live, 2),
    }


def _in_process(*words: object) -> Any:
    command = [sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures small models, computes the table, prints and writes both."""
    if sys.argv[1:2] == ["--process"]:
        folder, precision, count, allocator = sys.argv[2:]
        print(json.dumps(peak_of_two_steps(folder, precision, int(count), allocator)))
        return
    if sys.argv[1:2] == ["--live"]:
        print(live_peak(sys.argv[2], sys.argv[3], int(sys.argv[4])))
        return
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS
    result = {
        "what": "Memory of a training step: forecast and peak of small models on the CPU, and the "
        f"forecast for public backbones on a GPU of {GPU_GIB} GiB",
        "how": "weights 4 bytes, and in bf16 2 more of each linear layer's for every chunk of a "
        "part; gradients 8 (those of earlier parts and of this one) and AdamW 8 per trained "
        "weight; activations and a chunk's temporaries by step_bytes, which one count for a GPU "
        "confirmed (ELECTRA-base in bf16: 420 to 440 KiB a token), times 1.75 where pairs are "
        "padded; packed ones are those of --attention-dropout 0; 15 % of what is free stays unused",
        "what_the_figures_are": "live_mib: the tensors at the peak, summed up by operator, which "
        "the forecast is for. process_mib: the peak of resident memory. What it has over live_mib "
        "are freed blocks that glibc keeps (process_returning_blocks_mib is without them) and what "
        "kernels of the CPU keep for themselves: in bf16, oneDNN's cache of compiled products is "
        "some 70 MiB of it",
        "small_models": measured(tokens),
        f"gpu_of_{GPU_GIB}_gib": table(),
    }
    print(write_results("training_memory", result))


if __name__ == "__main__":
    main()
