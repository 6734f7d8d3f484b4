"""The fields of a request other than model and prompt, adapted to what a server understands.

Decoding is greedy only without penalties, and servers such as vLLM's take penalties from the
model's generation_config.json unless the request sets them. OpenAI's servers use another name for
one of these fields, do not know another, and refuse requests that contain them. After such a
refusal the request is repeated without the field, or with its other name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

NOT_SENT_FACT = "not_sent"
LIMITS = ("max_tokens", "max_completion_tokens")
# Fields to omit if a server does not know them. `min_tokens` and `add_special_tokens` are not among
# them: without these the answer and the prompt would differ.
_NEUTRAL: dict[str, float] = {
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
_OPTIONAL = (*_NEUTRAL, "seed", "temperature")
# Several servers behind one address may contradict each other, but not without end.
_MOST_SWITCHES = 4
_STATUS = frozenset({400, 422})
# Refusals that concern a value, not an unknown field.
_TOO_LARGE = re.compile(r"context length|too (?:large|long|many)|exceed|at most|less than", re.I)
_UNKNOWN = re.compile(
    r"unsupported|not supported|does(?: not|n't) support|unrecogni[sz]ed|unknown|unexpected|extra|"
    r"not permitted|not allowed|forbidden|invalid (?:parameter|argument|field)|instead",
    re.I,
)
# Names with an underscore are unmistakable; "seed" and "temperature" are also plain words.
_NAMES = re.compile(r"[a-z]+(?:_[a-z]+)+|(?<=['\"`])[a-z]+(?=['\"`])|(?<=supplied: )[a-z]+")
# xAI calls fields by other names than those that it takes: presencePenalty.
_WITHIN_NAME = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ECHOES = frozenset({"input", "messages", "prompt"})


class RequestFields:
    """The fields that all requests of one worker to one server share.

    Args:
        seed: Sent with every request; greedy decoding does not use it.
    """

    def __init__(self, seed: int) -> None:
        self._values: dict[str, object] = {"temperature": 0.0, "seed": seed, **_NEUTRAL}
        self._limit, self._switches = LIMITS[0], 0

    def fields(self, max_tokens: int) -> dict[str, object]:
        """Returns the fields of the next request."""
        return {self._limit: max_tokens, **self._values}

    def learn(self, status: int, said: str, sent: Mapping[str, object]) -> bool:
        """Adapts the fields to a refusal; says whether to repeat the request at once.

        Args:
            status: The status of the refusal.
            said: The whole body of the refusal.
            sent: The fields of the refused request; concurrent requests may have changed the
                current ones since.
        """
        told = list(_told(said))
        text = "\n".join(told)
        if status not in _STATUS or _TOO_LARGE.search(text) or not _UNKNOWN.search(text):
            return False
        snake_case = _WITHIN_NAME.sub("_", text).lower()
        named = {*told, *_NAMES.findall(text), *_NAMES.findall(snake_case)}
        for limit in LIMITS:
            if limit in sent and limit in named:
                return self._without_limit(limit)
        refused = [name for name in _OPTIONAL if name in sent and name in named]
        for name in refused:
            self._values.pop(name, None)
        return bool(refused)

    def facts(self) -> dict[str, str]:
        """Returns what was learnt; empty if the server understands every field."""
        facts = {}
        if self._limit != LIMITS[0]:
            facts["answer_limit"] = self._limit
        left_out = [name for name in _OPTIONAL if name not in self._values]
        if left_out:
            facts[NOT_SENT_FACT] = ", ".join(left_out)
        return facts

    def _without_limit(self, limit: str) -> bool:
        if self._limit != limit:
            return True
        self._limit = LIMITS[1] if limit == LIMITS[0] else LIMITS[0]
        self._switches += 1
        return self._switches <= _MOST_SWITCHES


def _told(body: str) -> Iterator[str]:
    """Yields the texts of a refusal, without the parts of the request that it repeats."""
    try:
        waiting: list[object] = [json.loads(body)]
    except ValueError:
        yield body[:1000]
        return
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [value for key, value in part.items() if key not in _ECHOES]
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, str):
            yield part
