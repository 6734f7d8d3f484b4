"""Notices a server that reads only a part of a prompt.

Some servers, such as Ollama, cut a prompt that exceeds their context without a word, and the model
then ranks passages that it was never shown. Only the tokens that they count give it away.
"""

from __future__ import annotations

from rankgen.generator.engines.base import EnginePrompt

SHORT_FACT = "prompt_read_short"
# No tokenizer's tokens are so long, in the mean over a prompt.
_MOST_CHARACTERS = 7
# Other tokenizers than that of the prompt's ids make fewer tokens of it, but not so few.
_LEAST_SHARE = 0.6


class ShortReads:
    """Compares the tokens that a server counts with the length of the prompts."""

    def __init__(self) -> None:
        self._first: str | None = None

    def compare(self, prompt: EnginePrompt, read: int) -> None:
        """Compares a prompt with the tokens that the server says it has read; 0 says nothing."""
        characters = sum(len(message.content) for message in prompt.messages)
        own = len(prompt.token_ids)
        if 0 < read * _MOST_CHARACTERS < characters and read < _LEAST_SHARE * own:
            self._first = self._first or f"{read} tokens of about {own}"

    def facts(self) -> dict[str, str]:
        """Returns what the server counted of the first such prompt; empty without one."""
        return {} if self._first is None else {SHORT_FACT: self._first}
