"""The calls of the Batch API, each repeated until the server answers, within limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from rankgen.generator.engines.server.refusal import refused_key
from rankgen.generator.engines.server.retry import RetryPolicy, retry_after_s
from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError, reason_of

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI
    from openai.types import Batch, FileObject

REQUESTS_PATH: Final = "/v1/chat/completions"
OVER = frozenset({"completed", "expired", "failed", "cancelled"})
# The key in a batch's metadata under which the server stores its name in the run's folder.
_OWN_NAME = "rankgen_batch"
_MOST_LISTED = 2000
_RETRIED_STATUS = frozenset({408, 409, 425, 429})
Told = TypeVar("Told")


@dataclass(frozen=True)
class Seen:
    """The state of a batch.

    Attributes:
        status: One of `OVER`, or any other while the server works on it.
        files: The ids of its output and error files.
        answers: Number of requests that the server says it has answered; None if it does not say.
        why: What the server says went wrong; may be empty.
    """

    status: str
    files: tuple[str, ...]
    answers: int | None
    why: str


class BatchTransport:
    """Speaks to one server.

    Args:
        client: The client.
        shown: The part of the server's address that may be shown.
        retry: How often and how fast calls are repeated.
    """

    def __init__(self, client: AsyncOpenAI, shown: str, retry: RetryPolicy) -> None:
        self._client, self.shown, self._retry = client, shown, retry

    async def create(self, stem: str, requests: bytes) -> str:
        """Uploads the requests and creates the batch; returns its id.

        Raises:
            RankgenError: The server has no Batch API, refuses the batch, or does not answer.
        """
        named = (f"{stem}.jsonl", requests, "application/jsonl")

        async def upload() -> str:
            return _id_of(await self._client.files.create(file=named, purpose="batch"))

        file_id = await self._patiently("take a file", upload)
        tried = False

        async def create() -> str:
            nonlocal tried
            # The answer to the first try may have been lost, and each batch is paid for.
            found = await self._find(stem) if tried else None
            tried = True
            if found is not None:
                return found
            made = await self._client.batches.create(
                input_file_id=file_id,
                endpoint=REQUESTS_PATH,
                completion_window="24h",
                metadata={_OWN_NAME: stem},
            )
            return _id_of(made)

        return await self._patiently("create a batch", create)

    async def find(self, stem: str) -> str | None:
        """Returns the id of the batch of that name; None if the server has none."""
        return await self._patiently("list its batches", lambda: self._find(stem))

    async def look(self, batch_id: str) -> Seen | None:
        """Returns the state of a batch; None if the server does not know it."""
        import openai

        async def look() -> Seen:
            return _seen(await self._client.batches.retrieve(batch_id))

        try:
            return await self._patiently("tell of a batch", look, True)
        except openai.NotFoundError:
            return None

    async def content(self, file_id: str) -> bytes:
        """Returns the whole content of a file."""

        async def read() -> bytes:
            return (await self._client.files.content(file_id)).content

        return await self._patiently("hand out a file", read)

    async def _find(self, stem: str) -> str | None:
        listed = 0
        async for batch in self._client.batches.list(limit=100):
            if (batch.metadata or {}).get(_OWN_NAME) == stem:
                return batch.id
            listed += 1
            if listed >= _MOST_LISTED:
                break
        return None

    async def _patiently(
        self, what: str, call: Callable[[], Awaitable[Told]], may_be_unknown: bool = False
    ) -> Told:
        import openai

        failure, attempt, began = "", 0, time.monotonic()
        while attempt < self._retry.attempts:
            attempt += 1
            wanted: float | None = None
            try:
                return await call()
            except openai.APIStatusError as error:
                if may_be_unknown and error.status_code == 404:
                    raise
                if error.status_code < 500 and error.status_code not in _RETRIED_STATUS:
                    raise self._refused(what, error) from error
                if error.code == "insufficient_quota":
                    raise self._refused(what, error) from error
                failure = f"status {error.status_code}"
                wanted = retry_after_s(error.response.headers.get("retry-after"))
                if error.status_code == 429 and time.monotonic() - began < self._retry.limited_s:
                    attempt -= 1
                    refused = f"the server {self.shown} refuses to {what}"
                    await asyncio.sleep(self._retry.pause_s(1, wanted, refused))
                    continue
            except openai.APIConnectionError as error:
                failure = f"connection failed ({type(error.__cause__).__name__})"
            # The client checks no body: half of one, or a proxy's page, lacks what is read of it.
            except (openai.APIError, ValueError, TypeError, AttributeError) as error:
                failure = f"an invalid response ({reason_of(error)})"
            await asyncio.sleep(self._retry.wait_s(attempt, wanted))
        raise EnvironmentProblem(
            f"the server {self.shown} failed {attempt} times to {what}, lastly: {failure}",
            "repeat the command to resume; batches that the server has are found again",
        )

    def _refused(self, what: str, error: APIStatusError) -> RankgenError:
        status, said = error.status_code, reason_of(error)
        if status in (401, 403):
            return refused_key(self.shown, status, said)
        if status in (404, 405):
            return UsageError(
                f"the server {self.shown} has no Batch API (status {status}: {said})",
                "use --api chat",
            )
        return EnvironmentProblem(
            f"the server {self.shown} refuses to {what} with status {status}: {said}",
            "fix the cause, then repeat the command to resume",
        )


def _id_of(made: Batch | FileObject) -> str:
    # The client does not check that there is one.
    found: object = made.id
    if not isinstance(found, str) or not found:
        raise ValueError("it names no id")
    return found


def _seen(batch: Batch) -> Seen:
    if not isinstance(batch.status, str):
        raise ValueError("it names no status")
    counts = batch.request_counts
    errors = (batch.errors.data or []) if batch.errors else []
    return Seen(
        # Some servers write "COMPLETED", which would be waited for without end.
        batch.status.lower(),
        tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
        None if counts is None else counts.completed,
        "; ".join(str(error.message) for error in errors[:3]),
    )
