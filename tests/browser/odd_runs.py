"""Runs for the pages: one as usual, and one whose ids and texts try to break out of a page."""

from __future__ import annotations

from pathlib import Path

from made_runs import DEPTH, write_candidates, write_labels

from rankgen.manifests.records import Document
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents

SCRIPT = "</script><script>window.broken=1</script>"
IMAGE = "<img/src=x/onerror=window.broken=2>"
ODD_IDS = (
    SCRIPT,
    IMAGE,
    "\"><b>'x'</b>",
    "a/../../b",
    "%2e%2e%2f?x=1#y&z",
    "שלום/עולם",
    "👩‍👩‍👧",
    "__proto__",
    "{{7*7}}",
    "back\\slash",
)
LONG = "word " * 20_000
# The texts of the first documents of every query, by place.
ODD_TEXTS = (
    f"{SCRIPT} <!-- <script> {IMAGE} &lt;b&gt;",
    "\u202e\u05d8\u05e7\u05e1\u05d8 \u05de\u05d9\u05de\u05d9\u05df\u202c left to right, مرحبا",
    "a\x00b \x1b[31m \u2028 \ufeff 🏳️‍🌈 \U0001f9d1\u200d\U0001f680",
    LONG,
)
NAME = "labels <b>&'x' 日本"
FAILED = "a/../../b"


def write_odd(folder: Path) -> RunDirectory:
    """Writes a label run of odd ids and texts, with a quarantined query."""
    candidates = write_candidates(folder / "candidates", 0, ids=ODD_IDS)
    run = write_labels(folder / NAME, candidates, shards=2, failed=[FAILED])
    texts = [
        Document(f"{query_id}/d{place}", IMAGE if place == 1 else "", ODD_TEXTS[place])
        for query_id in ODD_IDS
        for place in range(DEPTH)
    ]
    for path in run.shard_paths("documents"):
        path.unlink()  # It is a hard link to that of the candidates.
    write_documents(run, texts, "f")
    return run
