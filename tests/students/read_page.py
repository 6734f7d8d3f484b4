"""Reads what a page holds, as its script does."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

_EMBEDDED = re.compile(
    r'<script type="application/octet-stream" id="block-(\w+)">([A-Za-z0-9+/=]+)</script>'
)
_BESIDE = re.compile(r'rankgenBlock\("(\w+)","([A-Za-z0-9+/=]+)"\)\n')


def blocks_of(page: str, folder: Path | None = None) -> dict[str, Any]:
    """Returns the blocks of a page by name, also those that lie beside it in `folder`."""
    found = dict(_EMBEDDED.findall(page))
    for name, address in facts_of(page)["beside"].items():
        assert folder is not None
        match = _BESIDE.fullmatch((folder / address).read_text(encoding="utf-8"))
        assert match is not None
        assert match[1] == name
        found[name] = match[2]
    return {name: unpacked(text) for name, text in found.items()}


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def facts_of(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="page">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    found: dict[str, Any] = json.loads(match[1])
    return found


def queries_of(blocks: dict[str, Any]) -> dict[str, Any]:
    """Returns the whole queries by id, found by way of the index."""
    return {row["id"]: blocks[row["block"]][row["place"]] for row in blocks["index"]}
