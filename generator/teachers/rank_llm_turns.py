"""Calls rank_llm's blocking functions off the event loop, in batches where it takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class _Waiting:
    prompt: object
    k: int
    answer: asyncio.Future[tuple[object, object]] = field(repr=False)


class Turns:
    """The prompts and answers of one coordinator.

    Args:
        coordinator: A listwise object of rank_llm, of 0.25 or 0.26.
        at_once: Calls of a provider at a time.
    """

    def __init__(self, coordinator: Any, at_once: int) -> None:  # its own class
        self._coordinator = coordinator
        # Its tokenizers are not made for several threads.
        self._prompts = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prompt")
        self._is_batched = hasattr(coordinator, "_vllm_handler")
        workers = 1 if self._is_batched else at_once
        self._calls = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="call")
        self._waiting: list[_Waiting] = []
        self._draining: asyncio.Task[None] | None = None

    async def prompt(self, result: object, k: int) -> tuple[object, int]:
        """Returns the prompt about the first k candidates, and its tokens."""
        prompt, tokens = await self._off(
            self._prompts, lambda: self._coordinator.create_prompt(result, 0, k)
        )
        return prompt, int(tokens)

    async def answer(self, prompt: object, k: int) -> tuple[object, object]:
        """Returns rank_llm's text and usage for a prompt about k passages."""
        model = self._coordinator
        if hasattr(model, "run_llm_async"):
            text, usage = await model.run_llm_async(prompt, k)
            return text, usage
        if not self._is_batched:
            call = self._off(self._calls, lambda: model.run_llm(prompt, current_window_size=k))
            text, usage = await call
            return text, usage
        waiting = _Waiting(prompt, k, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        return await waiting.answer

    def close(self) -> None:
        """Ends the threads, without waiting for a call that never ends."""
        for threads in (self._prompts, self._calls):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _drain(self) -> None:
        """Asks in batches: what has come while the engine was busy, of one size."""
        while self._waiting:
            k = self._waiting[0].k
            batch = [one for one in self._waiting if one.k == k]
            self._waiting = [one for one in self._waiting if one.k != k]
            try:
                answers = await self._off(self._calls, self._batch(batch, k))
                for one, answer in zip(batch, answers, strict=True):
                    if not one.answer.done():
                        one.answer.set_result(answer)
            except Exception as error:
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)

    def _batch(self, batch: Sequence[_Waiting], k: int) -> Callable[[], Any]:
        prompts = [one.prompt for one in batch]
        return lambda: self._coordinator.run_llm_batched(prompts, current_window_size=k)

    # Any, because rank_llm has no types.
    async def _off(self, threads: ThreadPoolExecutor, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(threads, call)
