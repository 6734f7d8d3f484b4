"""Labelling by rankgen, by rank-llm and at the engine's own limit, in turns on one machine.

    python benchmarks/labelling.py [--sizes 16 64 256] [--rounds 3 3 2] [--minutes 12]
                                   [--words 8] [--kv-gib 1] [--apart] [--gpu [--small]]

All systems use the same vLLM with the same arguments, model, prompts and niceness, and each engine
has answered some windows before its clock runs. The start of engines is left out on all sides.

- rankgen: a label run as users run it, with Ray, journal, shards and commits, from the worker's
  being ready to the last commit. A fresh engine for every run.
- rankgen --drafts off: the same without drafts of the answers, for vLLM's own pace.
- rankgen --keep-top 10: with drafts, if only the best ten ranks are kept.
- rank-llm: its `ZephyrReranker.rerank_batch`, from the call to its return; nothing is written.
- limit: vLLM's AsyncLLM, given all prompts of a finished run at once as token ids.

The model is `tests/fixtures/tiny_ranker`, which writes real rankings, in float32; its engine
computes on one core, so that the other is free for the rest, as a processor is while a GPU
computes. With --gpu it is a 7B Mistral of random weights in bfloat16, which ranks nothing: see
`racing/gpu.py`. --apart ends an engine before the next one starts, for want of memory.

The result goes to benchmarks/results/labelling.json (or labelling_gpu.json) and its picture, the
engines' occupancy over time, to a file beside it. A quarter of an hour on two quiet cores: rounds
that would end after --minutes are left out, but for the first of each size.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from racing.gpu import GPU_SHAPE, SMALL_SHAPE, make_model, matmul_peak, share_of_peak
from racing.lists import RANKER
from racing.occupancy_plot import occupancy_svg
from racing.race import Race
from racing.summary import summary
from results_file import RESULTS, write_results


def main() -> None:
    """Runs the rounds and writes result and picture."""
    asked = _options()
    shape = SMALL_SHAPE if asked.small else GPU_SHAPE
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = make_model(root / "model", shape) if asked.gpu else RANKER / "model"
        dtype = "bfloat16" if asked.gpu else "float32"
        race = Race(root, model, dtype, asked.words, asked.kv_gib, asked.apart, asked.gpu)
        try:
            rounds = dict(zip(asked.sizes, asked.rounds, strict=True))
            result = raced(race, rounds, asked.minutes)
        except BaseException:
            for log in root.glob("*.log"):
                print(log.name, log.read_text()[-3000:], sep="\n", file=sys.stderr)
            raise
        finally:
            race.end()
    name = "labelling_gpu" if asked.gpu else "labelling"
    if asked.gpu:
        result["prefill"] = share_of_peak(result, shape, matmul_peak(shape))
    write_results(name, result)
    (RESULTS / f"{name}.svg").write_text(occupancy_svg(result["occupancy"]))
    print(json.dumps({key: result[key] for key in ("sizes", "permutations")}, indent=2))


def raced(race: Race, rounds: Mapping[int, int], minutes: float) -> dict[str, Any]:
    """Has every system label every number of queries in turns; returns the result.

    Args:
        race: The systems.
        rounds: Number of queries -> number of rounds.
        minutes: No round but the first of each size begins that would end later than this.
    """
    systems = race.systems()
    began, took = time.monotonic(), dict.fromkeys(rounds, 0.0)
    for number in range(max(rounds.values())):
        for queries in (size for size, times in rounds.items() if number < times):
            start = time.monotonic()
            if start - began + took[queries] > 60 * minutes:
                continue
            # The limit's prompts are those of rankgen's first run.
            for place in range(len(systems)):
                race.turn(systems[(place + number) % len(systems)], queries, number)
            took[queries] = time.monotonic() - start
    size = sorted(rounds)[len(rounds) // 2]
    result = summary(race.rows) | {"calibration": race.calibration(size), "permutations": {}}
    for queries in rounds if not race.dummy else ():
        result["permutations"][str(queries)] = race.compared(queries)
    return {"words": race.words, "kv_cache_gib": race.kv_gib, "dtype": race.dtype, **result}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--rounds", type=int, nargs="+", default=[3, 3, 2])
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--words", type=int, default=8)
    parser.add_argument("--kv-gib", type=int, default=1)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--small", action="store_true", help="try --gpu with a small model")
    return parser.parse_args()


if __name__ == "__main__":
    main()
