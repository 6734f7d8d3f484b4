"""Training and scoring beside sentence-transformers and others: same pairs, interleaved.

    RANKGEN_TEST_DATA=… python benchmarks/student_speed.py [ROUNDS [PRECISION ...]]

MiniLM (6 layers, 384 wide) on lists of DL19's BM25 top 100, query 32 and passage 256 tokens,
dropout 0, one list a step, AdamW; each system in a process of its own. lightning-ir is a peer too,
and FlagEmbedding where it is importable (see flag_embedding_peer.py). Everyone computes RankNet,
and texts are cut after the same tokens; how pairs are batched is each system's own. Precisions are
fp32 and, where it is fast, bf16, unless they are named; 3 rounds in fp32 take two cores some ten
minutes. The machine's peak is what a matrix product of the model's shape reaches with PyTorch's
faster library, just before and after each measurement; the share counts real tokens only.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import torch
from apart import Apart, serve
from flag_embedding_peer import flag_embedding_system, has_flag_embedding
from results_file import write_results
from student_peers import (
    PASSAGE_TOKENS,
    QUERY_TOKENS,
    System,
    TextList,
    lightning_ir_system,
    rankgen_system,
    sentence_transformers_system,
    token_list,
)

from rankgen.manifests.models.cpu_kernels import fast_kernels
from rankgen.manifests.models.half_precision import is_fast
from rankgen.manifests.trec import read_run
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.students.model.loading import load_backbone

LAYERS, WIDTH = 6, 384
SYSTEMS: dict[str, Callable[[Path, str], System]] = {
    "rankgen": rankgen_system,
    "sentence-transformers, 1 pair a forward pass": lambda folder, precision: (
        sentence_transformers_system(folder, precision, None)
    ),
    "sentence-transformers, 16 pairs": lambda folder, precision: sentence_transformers_system(
        folder, precision, 16
    ),
    "lightning-ir": lightning_ir_system,
}
if has_flag_embedding():
    SYSTEMS["FlagEmbedding"] = flag_embedding_system
LISTS, SCORED_LISTS = 8, 3


def read_lists(data: Path, count: int) -> list[TextList]:
    """Returns BM25's top 100 of DL19's first queries with their texts."""
    collection = open_collection(str(data))
    queries = {query.query_id: query.text for query in collection.queries()}
    run = read_run(data / "runs" / "first-stage.bm25.trec")
    chosen = sorted(run)[:count]
    wanted = {line.doc_id for query_id in chosen for line in run[query_id][:100]}
    texts = {document.doc_id: document.contents for document in collection.chosen(wanted)}
    return [
        TextList(queries[q], [texts[line.doc_id] for line in run[q][:100] if line.doc_id in texts])
        for q in chosen
    ]


def write_backbone(folder: Path) -> None:
    """Writes MiniLM with a fresh head and a tokenizer without presets, the same for everyone."""
    encoder = load_backbone(
        "minilm", seed=0, query_tokens=QUERY_TOKENS, passage_tokens=PASSAGE_TOKENS, dropout=0.0
    )
    encoder.save(folder)


def gflop_of(lists: list[TextList], folder: Path) -> list[float]:
    """Returns the arithmetic of one forward pass over each list's real tokens, in GFLOP."""
    encoder = load_backbone(
        str(folder), seed=0, query_tokens=QUERY_TOKENS, passage_tokens=PASSAGE_TOKENS, dropout=0.0
    )
    sums = []
    for ranked in lists:
        pairs = token_list(encoder, ranked).pairs
        lengths = [encoder.template.length(*pair) for pair in pairs]
        flop = sum(LAYERS * (24 * WIDTH**2 * n + 4 * WIDTH * n**2) for n in lengths)
        sums.append(flop / 1e9)
    return sums


def peak_gflops(precision: str) -> float:
    """Returns what a matrix product of the feed-forward layer's shape reaches, by any library."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    rows, weight = torch.randn(2400, WIDTH).to(kind), torch.randn(4 * WIDTH, WIDTH).to(kind)
    rates: list[list[float]] = [[], []]
    for _ in range(20):
        for found, kernels in zip(rates, (nullcontext(), fast_kernels("cpu")), strict=True):
            with torch.inference_mode(), kernels:
                began = time.perf_counter()
                torch.nn.functional.linear(rows, weight)
                took = time.perf_counter() - began
            found.append(2 * 2400 * WIDTH * 4 * WIDTH / took / 1e9)
    return max(statistics.median(found[5:]) for found in rates)


def begun(ranked: TextList) -> TextList:
    """Returns the first passages of a list, for a first step that is not measured."""
    return TextList(f"{ranked.query} ", ranked.passages[:8])


def serve_system(name: str, folder: Path, precision: str, lists: list[TextList]) -> None:
    """Trains a step on a list ("training 3") or scores lists ("scoring 3 4 5") when told to."""
    with redirect_stdout(sys.stderr):
        system = SYSTEMS[name](folder, precision)
        system.step(begun(lists[0]))

    def works(line: str) -> object:
        kind, *numbers = line.split()
        some = [lists[int(number)] for number in numbers]
        return system.step(some[0]) if kind == "training" else system.score(some)

    serve(works)


def measure(folder: Path, lists: list[TextList], precision: str, rounds: int) -> dict[str, object]:
    """Interleaves the systems on one list a round, then on several for scoring."""
    script = [sys.executable, __file__, "--serve"]
    systems = {name: Apart([*script, name, str(folder), precision]) for name in SYSTEMS}
    work = gflop_of(lists, folder)
    tables: dict[str, object] = {}
    for kind, count in (("training", 1), ("scoring", SCORED_LISTS)):
        seconds: dict[str, list[float]] = {name: [] for name in systems}
        shares: dict[str, list[float]] = {name: [] for name in systems}
        pairs = 0
        for number in range(rounds):
            some = [(number + offset) % len(lists) for offset in range(count)]
            flop = sum(work[one] for one in some) * (3 if kind == "training" else 1)
            pairs = sum(len(lists[one].passages) for one in some)
            for name, system in systems.items():
                before = peak_gflops(precision)
                took = system.seconds(" ".join([kind, *map(str, some)]))
                peak = (before + peak_gflops(precision)) / 2
                seconds[name].append(took)
                shares[name].append(flop / took / peak)
        ours = seconds["rankgen"]
        tables[kind] = {
            name: {
                "pairs_per_second": round(pairs / statistics.median(values), 1),
                "seconds": [round(value, 2) for value in values],
                "time_over_rankgen": round(
                    statistics.median(v / own for v, own in zip(values, ours, strict=True)), 2
                ),
                "share_of_peak": round(statistics.median(shares[name]), 2),
            }
            for name, values in seconds.items()
        }
    for system in systems.values():
        system.end()
    return tables


def largest_difference(folder: Path, lists: list[TextList]) -> float:
    """Returns how far our scores are from sentence-transformers' at most."""
    ours = SYSTEMS["rankgen"](folder, "fp32").score(lists[:1])
    theirs = sentence_transformers_system(folder, "fp32", None).score(lists[:1])
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def peak_mib(name: str, folder: Path) -> float:
    """Returns the peak memory of a process that trains two steps with one system."""
    command = [sys.executable, __file__, "--memory", name, str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measures, prints and writes the result."""
    data = Path(os.environ["RANKGEN_TEST_DATA"]) / "msmarco-dl19"
    if sys.argv[1:2] == ["--serve"]:
        serve_system(sys.argv[2], Path(sys.argv[3]), sys.argv[4], read_lists(data, LISTS))
        return
    if sys.argv[1:2] == ["--memory"]:
        system = SYSTEMS[sys.argv[2]](Path(sys.argv[3]), "fp32")
        # The optimizer's moments are there from the second step on.
        (ranked,) = read_lists(data, 1)
        for each in (begun(ranked), ranked):
            system.step(each)
        # Not ru_maxrss, which a process inherits from the one that started it.
        status = Path("/proc/self/status").read_text()
        print(round(int(status.partition("VmHWM:")[2].split()[0]) / 1024))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    precisions = sys.argv[2:] or ["fp32", *(["bf16"] if is_fast("bfloat16", "cpu") else [])]
    lists = read_lists(data, LISTS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "backbone"
        write_backbone(folder)
        result = {
            "what": "RankNet steps on one list of 100, and scoring; MiniLM, dropout 0, CPU",
            "rounds": rounds,
            "threads": torch.get_num_threads(),
            "largest_score_difference_to_sentence_transformers": largest_difference(folder, lists),
            "texts_cut_after_tokens": [QUERY_TOKENS, PASSAGE_TOKENS],
            **{name: measure(folder, lists, name, rounds) for name in precisions},
            "peak_mib_of_training": {name: peak_mib(name, folder) for name in SYSTEMS},
        }
    print(write_results("student_speed", result))


if __name__ == "__main__":
    main()
