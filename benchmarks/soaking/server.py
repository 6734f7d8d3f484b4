"""The soak's teacher: an OpenAI-compatible server that orders by a hash, with faults.

    python server.py PORT FOLDER

It answers at the pace at which the windows that are left fill the time that is left, and writes a
line for every answer it computes, also when nobody listens any more: that is what a window costs.
Its faults are told to it in FOLDER/told.json: {"ends": time, "windows": N, "fault": name, "until":
time}.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

QUERY = re.compile(r"question (q\d+)")
PASSAGE = re.compile(r"\n\[\d+\] passage (d\d+)")
FAULTS = ("errors", "limits", "resets", "error bodies", "silence")
MODELS = ("disk", "store")


def order(query_id: str, doc_ids: Sequence[str]) -> list[int]:
    """Returns the positions of the passages in this teacher's order, best first, from 0."""
    keys = [hashlib.sha256(f"{query_id} {doc_id}".encode()).digest() for doc_id in doc_ids]
    return sorted(range(len(keys)), key=keys.__getitem__)


class Teacher:
    """Answers requests.

    Args:
        folder: Where it is told its faults, and where it writes what it answered.
    """

    def __init__(self, folder: Path) -> None:
        self._told = folder / "told.json"
        self._answers = (folder / "answers").open("ab", buffering=0)
        self._answered = sum(1 for _ in (folder / "answers").open("rb"))
        self._free_at = time.monotonic()
        self._chance = random.Random()

    async def models(self, request: web.Request) -> web.Response:
        """Lists the models."""
        listed = [{"id": model, "owned_by": "soak"} for model in MODELS]
        return web.json_response({"data": listed})

    async def answer(self, request: web.Request) -> web.Response:
        """Answers one window, or does what the fault of the moment is."""
        asked = await request.json()
        content = asked["messages"][-1]["content"]
        found = QUERY.search(content)
        if found is None:  # Asked whether it reads a system turn.
            return _answered(asked["model"], "yes")
        told = json.loads(self._told.read_text())
        if time.time() < told.get("until", 0) and self._chance.random() < 0.5:
            return await self._fail(request, str(told["fault"]))
        await self._turn(told)
        passages = PASSAGE.findall(content)
        self._answered += 1
        self._answers.write(f"{asked['model']}\n".encode())
        text = " > ".join(f"[{position + 1}]" for position in order(found[1], passages))
        return _answered(asked["model"], text)

    async def _turn(self, told: dict[str, float]) -> None:
        left = max(told["windows"] - self._answered, 100)
        gap = min(max(told["ends"] - time.time(), 0) / left, 1.0)
        self._free_at = max(self._free_at, time.monotonic() - 1.0) + gap
        await asyncio.sleep(self._free_at - time.monotonic())

    async def _fail(self, request: web.Request, fault: str) -> web.Response:
        refusal = {"error": {"message": "overloaded", "type": "server_error"}}
        if fault == "limits":
            return web.json_response(refusal, status=429, headers={"Retry-After": "2"})
        if fault == "error bodies":
            return web.json_response(refusal)
        if fault == "silence":
            await asyncio.sleep(300)
        if fault == "resets" and request.transport is not None:
            request.transport.abort()
        return web.json_response(refusal, status=503)


def _answered(model: str, text: str) -> web.Response:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": model}
    return web.json_response(body | {"choices": [choice], "usage": usage})


def main() -> None:
    """Serves until it is killed."""
    teacher = Teacher(Path(sys.argv[2]))
    app = web.Application(client_max_size=2**24)
    app.router.add_get("/v1/models", teacher.models)
    app.router.add_post("/v1/chat/completions", teacher.answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
