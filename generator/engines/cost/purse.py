"""How a worker pays for its calls out of the till that all workers of a command share."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rankgen.generator.answers.outcomes import NO_TOKENS, FailedCall, TeacherFailure, TokenUsage
from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.engines.cost.prices import Prices
from rankgen.generator.engines.cost.till import SILENT_SECONDS, Till, Turn
from rankgen.generator.engines.server.answer import InvalidResponse
from rankgen.manifests.errors import EnvironmentProblem, IncompleteRun

LOOK_SECONDS = 0.1
# What a chat format may add around each message, and around all of them, in tokens.
_AROUND = 64


class CostCapReached(IncompleteRun):
    """The next call could exceed the cap; nothing is in flight any more.

    Attributes:
        calls: The window's earlier calls, which were paid for but gave no usable answer.
    """

    calls: tuple[FailedCall, ...] = ()

    def after(self, calls: Iterable[FailedCall]) -> CostCapReached:
        """Returns this error with the window's earlier calls added."""
        found = type(self)(self.message, self.hint)
        found.calls = (*calls, *self.calls)
        return found


@dataclass(frozen=True)
class CostCap:
    """What a worker needs to know of the cap.

    Attributes:
        prices: The server's.
        till: The till, or the name of the Ray actor that holds it.
    """

    prices: Prices
    till: Till | str


class Purse:
    """Reserves and settles the calls of one worker.

    Args:
        cap: The cap; None for a run without one, whose calls are only made.
    """

    def __init__(self, cap: CostCap | None = None) -> None:
        self._cap = cap
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._open: set[str] = set()
        self._beating: asyncio.Task[None] | None = None

    async def pay(
        self, server: str, most: TokenUsage, call: Callable[[], Awaitable[Generation]]
    ) -> Generation:
        """Makes a call once its greatest cost fits under the cap, and settles what it did cost.

        Args:
            server: The part of the server's address that may be shown.
            most: The most tokens that the call may read and write.
            call: The call.

        Raises:
            CostCapReached: The call could exceed the cap.
            EnvironmentProblem: The server does not report tokens.
        """
        if self._cap is None:
            return await call()
        ticket, usage = uuid.uuid4().hex, most
        await self._reserve(ticket, self._cap.prices.of(most))
        try:
            generation = await call()
            if not generation.usage.prompt:
                raise EnvironmentProblem(
                    f"the server {server} does not report the tokens of its answers, so "
                    "--max-cost cannot be kept",
                    "leave out --max-cost",
                )
            usage = generation.usage
            return generation
        except (InvalidResponse, TeacherFailure) as error:
            usage = error.usage
            raise
        except _timeouts():
            # The server may still answer it, and bill what nobody waits for.
            raise
        except openai_errors():
            # Nobody reports the tokens of a call without an answer.
            usage = NO_TOKENS
            raise
        finally:
            await self._settle(ticket, self._cap.prices.of(usage))

    async def _reserve(self, ticket: str, most: float) -> None:
        while True:
            turn: Turn = await self._ask("reserve", ticket, most)
            if turn.granted:
                self._open.add(ticket)
                if self._beating is None or self._beating.done():
                    self._beating = asyncio.create_task(self._beat())
                return
            if turn.refusal is not None:
                raise CostCapReached(
                    turn.refusal,
                    "repeat the command with a higher --max-cost to go on; no answer is paid twice",
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def _settle(self, ticket: str, cost: float) -> None:
        await self._ask("settle", ticket, cost)
        self._open.discard(ticket)

    async def _beat(self) -> None:
        while self._open:
            await asyncio.sleep(SILENT_SECONDS / 6)
            await self._ask("beat")

    async def _ask(self, method: str, *values: object) -> Any:
        assert self._cap is not None
        if isinstance(self._cap.till, Till):
            return getattr(self._cap.till, method)(self._holder, *values)
        import ray

        try:
            till = ray.get_actor(self._cap.till)
            return await getattr(till, method).remote(self._holder, *values)
        except (ray.exceptions.RayError, ValueError) as error:
            raise EnvironmentProblem(
                f"the process that counts the cost of this run is gone ({type(error).__name__})",
                "repeat the command to resume",
            ) from error


def openai_errors() -> tuple[type[Exception], ...]:
    """Returns the errors of a call that got no answer."""
    import openai

    return openai.APIError, ValueError


def _timeouts() -> type[Exception]:
    import openai

    return openai.APITimeoutError


def most_tokens(prompt: EnginePrompt, max_tokens: int) -> TokenUsage:
    """Returns the most tokens that a call may read and write.

    A server's tokenizer is its own secret, but every token of a byte-level one has at least a byte.
    """
    text = sum(_AROUND + len(message.content.encode()) for message in prompt.messages)
    return TokenUsage(max(_AROUND + text, len(prompt.token_ids)), max_tokens)
