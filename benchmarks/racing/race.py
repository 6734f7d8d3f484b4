"""The systems of `labelling.py`: starts them, has them label, and keeps what they did."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racing.lists import WINDOWS_A_QUERY, write_lists
from racing.measures import measured
from racing.permutations import differing, read_otherwise
from racing.summary import MEDIANS
from racing.turns import BENCHMARKS, Servant, variables

RANKGEN, RANK_LLM, LIMIT = "rankgen", "rank-llm", "limit"
PLAIN, KEEP_TOP = "rankgen --drafts off", "rankgen --keep-top 10"
CONTEXT_SIZE, WARM_UP = 4096, 8


@dataclass
class Race:
    """All systems, and what each has done.

    Attributes:
        folder: Where everything is written meanwhile.
        model: The model's folder.
        dtype: The number format.
        words: Words of a passage after its grade, about.
        kv_gib: GiB for vLLM's keys and values on a CPU.
        apart: Whether an engine ends before another one starts.
        dummy: Whether the model's weights are random.
    """

    folder: Path
    model: Path
    dtype: str
    words: int
    kv_gib: int
    apart: bool
    dummy: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    rankings: dict[tuple[str, int], dict[str, list[str]]] = field(default_factory=dict)
    _servants: dict[str, Servant] = field(default_factory=dict)
    _orders: int = 0

    def systems(self) -> list[str]:
        """Returns the systems, in the order of the first round."""
        return [RANKGEN, RANK_LLM, LIMIT, *([] if self.dummy else [PLAIN, KEEP_TOP])]

    def turn(self, system: str, queries: int, number: int) -> None:
        """Measures one system once."""
        lists = self.lists(queries)
        order = self._order(system, lists)
        if system in (RANKGEN, PLAIN, KEEP_TOP):
            answer = self._rankgen(system, order, queries)
        else:
            answer = self.ask(system, order | {"what": "measured", "run": self.run(queries)})
        windows = queries * WINDOWS_A_QUERY
        row = {"system": system, "queries": queries, "round": number, "windows": windows}
        row |= measured(Path(order["measures"]), windows)
        rankings = answer.pop("rankings", None)
        if rankings is not None:
            self.rankings[system, queries] = rankings
        self.rows.append(row | answer)
        shown = {key: row[key] for key in MEDIANS}
        print(f"{time.strftime('%H:%M:%S')} {queries} queries, {system}: {shown}", flush=True)

    def ask(self, system: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """Has a system whose engine stays up do something; starts it if need be."""
        if system not in self._servants:
            module = {RANK_LLM: "racing.rank_llm_run", LIMIT: "racing.limit_run"}[system]
            command = [module, str(self.model), str(CONTEXT_SIZE), self.dtype]
            log = self.folder / f"{system}.log"
            self._servants[system] = Servant(command, self._environment(), log)
        answer = self._servants[system].do(order, self._new("order"))
        if self.apart:
            self._servants.pop(system).end()
        return answer

    def lists(self, queries: int) -> Path:
        """Returns the folder of so many lists, written when first asked for."""
        folder = self.folder / f"lists-{queries}"
        if not folder.is_dir():
            write_lists(folder, queries, self.words)
        return folder

    def run(self, queries: int) -> str:
        """Returns the folder of rankgen's finished run of so many queries."""
        return str(self.folder / f"run-{queries}")

    def end(self) -> None:
        """Ends all systems."""
        for servant in self._servants.values():
            servant.end()

    def calibration(self, queries: int) -> dict[str, Any]:
        """Returns what the simulation needs to know of the engine."""
        order = self._order(LIMIT, self.lists(queries))
        return self.ask(LIMIT, order | {"what": "calibration", "run": self.run(queries)})

    def compared(self, queries: int) -> dict[str, Any]:
        """Returns how many final orders differ between rankgen and rank-llm, and why.

        Returns:
            "differing"; "read_otherwise", the queries of which rank-llm reads an answer
            differently; and "narrowest", for the others, the difference of log-probabilities by
            which the narrowest of all tokens was won. "keep_top_differing" counts the queries
            whose first ten differ between rankgen with and without `--keep-top 10`, and
            "drafts_differing" those whose order does with `--drafts off`.
        """
        others = differing(self.rankings[RANKGEN, queries], self.rankings[RANK_LLM, queries])
        read = [query for query in read_otherwise(Path(self.run(queries))) if query in others]
        ties = [query for query in others if query not in read]
        ours, kept = self.rankings[RANKGEN, queries], self.rankings.get((KEEP_TOP, queries), {})
        tops = [query for query, order in kept.items() if order[:10] != ours[query][:10]]
        plain = self.rankings.get((PLAIN, queries))
        return {
            "differing": len(others),
            "drafts_differing": None if plain is None else len(differing(ours, plain)),
            "keep_top_differing": len(tops) if kept else None,
            "read_otherwise": read,
            "narrowest": self.leads(queries, ties) if ties else {},
        }

    def leads(self, queries: int, wanted: Sequence[str]) -> dict[str, float]:
        """Returns by how much the narrowest token of each of these queries was won."""
        order = self._order(LIMIT, self.lists(queries)) | {"queries": list(wanted)}
        found = self.ask(LIMIT, order | {"what": "leads", "run": self.run(queries)})["leads"]
        return {query: round(lead, 7) for query, lead in found.items()}

    def _order(self, system: str, lists: Path) -> dict[str, Any]:
        return {
            "lists": str(lists),
            "measures": str(self._new(f"measures-{system}")),
            "answer": str(self._new("answer")),
        }

    def _new(self, name: str) -> Path:
        self._orders += 1
        return self.folder / f"{self._orders:03}-{name.replace(' ', '')}.json"

    def _environment(self) -> dict[str, str]:
        dummy = {"RACING_LOAD_FORMAT": "dummy"} if self.dummy else {}
        warm = self.folder / "warm-up"
        if not warm.is_dir():
            write_lists(warm, WARM_UP, self.words)
        return variables(self.kv_gib) | dummy | {"RACING_WARM": str(warm)}

    def _rankgen(self, system: str, order: dict[str, Any], queries: int) -> dict[str, Any]:
        out = Path(self.run(queries))
        if system != RANKGEN or out.is_dir():
            out = self._new("run").with_suffix("")
        teacher: dict[str, Any] = {
            "teacher": "rankzephyr",
            "model": str(self.model),
            "dtype": self.dtype,
            "context_size": CONTEXT_SIZE,
            "cpu_kv_cache_gib": self.kv_gib,
            # rank-llm takes every answer.
            "min_named": 0.0,
        }
        teacher |= {"engine_args": {"load_format": "dummy"}} if self.dummy else {}
        teacher |= {"keep_top": 10} if system == KEEP_TOP else {}
        teacher |= {"drafts": "off"} if system == PLAIN else {}
        told = order | {"out": str(out), "teacher": teacher}
        path = self._new("order")
        path.write_text(json.dumps(told))
        with (self.folder / f"{system.split()[0]}.log").open("a") as log:
            command = [sys.executable, "-m", "racing.rankgen_run", str(path)]
            subprocess.run(
                command, check=True, cwd=BENCHMARKS, env=self._environment(), stdout=log, stderr=log
            )
        answer: dict[str, Any] = json.loads(Path(order["answer"]).read_text())
        counts = answer.pop("counts")
        kept = ("prompt_tokens", "output_tokens", "windows_ok")
        return answer | {name: counts[name] for name in kept if name in counts}
