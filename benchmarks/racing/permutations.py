"""Whether two systems ended with the same orders, and why not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rankgen.manifests.run.run_directory import RunDirectory


def differing(ours: Mapping[str, Sequence[str]], theirs: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the ids of queries with another final order, or with none on one side."""
    return sorted(
        query for query in ours.keys() | theirs.keys() if ours.get(query) != theirs.get(query)
    )


def read_as_rank_llm(text: str, passages: int) -> list[int]:
    """Returns the order that rank-llm 0.25.7 takes from an answer: any digits name a passage.

    Its `_clean_response` and `receive_permutation`: first mentions in their order, then the rest.
    """
    named = [int(digits) - 1 for digits in re.findall(r"[0-9]+", text)]
    seen = dict.fromkeys(place for place in named if 0 <= place < passages)
    return [*seen, *(place for place in range(passages) if place not in seen)]


def read_otherwise(run: Path) -> list[str]:
    """Returns the queries of a finished run of which rank-llm reads an answer differently.

    An answer that its length cuts within an id ends in digits such as the "1" of "[12]". Rankgen
    leaves them out, and rank-llm takes them for a passage.
    """
    found = set[str]()
    for call in RunDirectory(run).read("windows").to_pylist():
        text, permutation = call["output_text"], call["permutation"]
        if text is not None and permutation is not None:
            passages = call["end"] - call["start"]
            if read_as_rank_llm(text, passages) != list(permutation):
                found.add(call["query_id"])
    return sorted(found)
