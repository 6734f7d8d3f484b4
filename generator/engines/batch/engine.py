"""A client of a server's Batch API, which answers within a day and for less money.

A batch is read like direct answers: the same errors, outcomes and checks. It survives this process:
see `batch_records`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.engines.batch.records import BatchFolder
from rankgen.generator.engines.batch.rounds import BatchRounds
from rankgen.generator.engines.batch.transport import REQUESTS_PATH, BatchTransport
from rankgen.generator.engines.batch.window_calls import next_call_name
from rankgen.generator.engines.cost.purse import Purse
from rankgen.generator.engines.server.answer import read_answer
from rankgen.generator.engines.server.answered_model import AnsweredModel
from rankgen.generator.engines.server.engine import OpenAIServer, ServerSettings
from rankgen.generator.engines.server.request_body import turn
from rankgen.generator.engines.server.retry import RetryPolicy

if TYPE_CHECKING:
    from openai import APIStatusError
    from openai.types import Completion
    from openai.types.chat import ChatCompletion

    from rankgen.generator.engines.batch.lines import Line


class BatchServer(OpenAIServer):
    """A client of one server.

    Args:
        settings: How requests are sent.
        folder: The run's batches; None for a teacher without a run.
        retry: See `OpenAIServer`.
        answered: See `OpenAIServer`.
        purse: See `OpenAIServer`.

    Raises:
        UsageError: The address is not a server URL.
        EnvironmentProblem: The server does not answer, wants a key, or `openai` is not installed.
    """

    def __init__(
        self,
        settings: ServerSettings,
        folder: Path | None,
        retry: RetryPolicy | None = None,
        answered: AnsweredModel | None = None,
        purse: Purse | None = None,
    ) -> None:
        super().__init__(settings, retry, answered, purse)
        transport = BatchTransport(self._client, self._shown, self._retry)
        records = BatchFolder(folder or Path(tempfile.mkdtemp(prefix="rankgen-batches-")))
        self._rounds = BatchRounds(transport, records, settings.batch_seconds)

    async def _send(
        self, prompt: EnginePrompt, extra: Mapping[str, object]
    ) -> tuple[Generation, ChatCompletion | Completion]:
        from openai.types.chat import ChatCompletion

        messages = [turn(message) for message in prompt.messages]
        body = {"model": self._settings.model, "messages": messages, **extra}
        line = await self._rounds.answer(next_call_name(), body)
        if line.status is None or line.status >= 400:
            raise _refusal(line)
        # Lenient, as the client is with direct answers; `read_answer` is not.
        answer = ChatCompletion.construct(**line.body)
        return read_answer(answer), answer

    def gauges(self) -> Mapping[str, float]:
        """Returns the number of open batches too; see `OpenAIServer.gauges`."""
        return {**super().gauges(), "server_batches_open": self._rounds.open}

    async def close(self) -> None:
        """Closes the connections; the server goes on with its batches."""
        await self._rounds.close()
        await super().close()


def _refusal(line: Line) -> APIStatusError:
    """Returns the error that a direct request would have had."""
    # The package that `openai` sends its requests with.
    import httpx2
    import openai

    request = httpx2.Request("POST", f"http://batch{REQUESTS_PATH}")
    response = httpx2.Response(line.status or 500, json=line.body, request=request)
    error = line.body.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    return openai.APIStatusError(
        str(said or line.reason()), response=response, body=error or line.body
    )
