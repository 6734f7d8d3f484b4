"""Tokenizers of listwise teachers, with the chat format of their models."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from rankgen.generator.answers.answer_text import opens_thought
from rankgen.generator.answers.formats import AnswerFormat
from rankgen.generator.answers.leading import ids_text
from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.prompts.chat_format import (
    ZEPHYR_FORMAT,
    ChatForm,
    Turn,
    find_chat_form,
    zephyr_text,
)
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.prompts.rankzephyr_tokenizer import missing_package, rankzephyr_tokenizer
from rankgen.generator.prompts.token_texts import AnswerTexts
from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.models.model_source import split_revision

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# The value of `--tokenizer` for RankZephyr's tokenizer, which needs no download.
BUNDLED = "rankzephyr"


class TeacherTokenizer:
    """A fast tokenizer with the chat format of its model.

    Args:
        fast: The tokenizer.
        chat_format: "zephyr", or "own" for the tokenizer's own chat template.
        source: Its name, for messages.

    Raises:
        UsageError: `chat_format` is "own" and the chat template is missing or cannot hold a prompt.
    """

    def __init__(self, fast: PreTrainedTokenizerFast, chat_format: str, source: str) -> None:
        self._fast = fast
        self._chat_format = chat_format
        self._source = source
        self._bos = fast.bos_token
        if chat_format != ZEPHYR_FORMAT and not fast.chat_template:
            raise UsageError(
                f"the tokenizer of {source} has no chat template",
                "use a chat model, or --teacher rankzephyr for RankZephyr's own format",
            )
        own = chat_format != ZEPHYR_FORMAT
        self._form = find_chat_form(self._render, source) if own else ChatForm()

    @property
    def special_strings(self) -> tuple[str, ...]:
        """The texts that always become one special token, such as "</s>"."""
        return tuple(str(t.content) for t in self._fast.added_tokens_decoder.values() if t.special)

    @property
    def pieces(self) -> Collection[str]:
        """The texts of the vocabulary, with the tokenizer's own sign for a space."""
        return self._fast.get_vocab().keys()

    @property
    def sha256(self) -> str:
        """Identifies vocabulary, rules and chat format."""
        digest = hashlib.sha256(self._fast.backend_tokenizer.to_str().encode())
        form = self._chat_format if self._chat_format == ZEPHYR_FORMAT else self._fast.chat_template
        digest.update(str(form).encode())
        return digest.hexdigest()

    @property
    def merges_system(self) -> bool:
        """Whether the chat template refuses a system turn, so that its text joins the user turn."""
        return self._form.merges_system

    @property
    def opens_thought(self) -> bool:
        """Whether prompts end with an open think tag, so that answers start inside a thought."""
        return opens_thought(self._form.prompt_end)

    def chat_text(self, messages: Sequence[ChatMessage]) -> str:
        """Returns the whole prompt as text, ready for the answer.

        Raises:
            TeacherFailure: The chat template refuses these texts.
        """
        if self._chat_format == ZEPHYR_FORMAT:
            return zephyr_text(messages)
        try:
            return self._form.text(messages, self._render)
        except Exception as error:  # A template is a program and raises what it likes.
            raise TeacherFailure(
                f"the chat template of {self._source} refuses the prompt: {reason_of(error)}"
            ) from error

    def _render(self, turns: list[Turn], answer_next: bool) -> str:
        # Content in parts is accepted, despite the annotation.
        conversation = cast("list[dict[str, str]]", turns)
        return str(
            self._fast.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=answer_next
            )
        )

    def encode(self, prompt: str) -> list[int]:
        """Returns the ids of a whole prompt, with exactly one beginning token."""
        already = bool(self._bos) and prompt.startswith(str(self._bos))
        return self.plain(prompt) if already else self._encode(prompt, special=True)

    def plain(self, text: str) -> list[int]:
        """Returns the ids of a text, without a beginning token."""
        return self._encode(text, special=False)

    def plain_again(self, text: str) -> list[int]:
        """Returns what `plain` does, in a third of the time; it must have been called before.

        `plain` has then switched off truncation and padding, which a tokenizer may begin with.
        """
        (found,) = self._fast.backend_tokenizer.encode_batch_fast([text], add_special_tokens=False)
        return found.ids

    def _encode(self, text: str, special: bool) -> list[int]:
        # `verbose=False` silences a warning about the length, which `PromptBuilder` limits.
        encoded = self._fast(text, add_special_tokens=special, verbose=False)
        return cast("list[int]", encoded["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of generated ids, without special tokens."""
        return str(self._fast.decode(list(ids), skip_special_tokens=True))

    def can_constrain(self, form: AnswerFormat) -> bool:
        """Says whether answers can be kept to rankings, as these have tokens of their own."""
        return self._fast.eos_token is not None and bool(self.answer_texts(form).table)

    def answer_texts(self, form: AnswerFormat) -> AnswerTexts:
        """Returns what reads the output ids of answers in a format."""
        return AnswerTexts(self._fast.backend_tokenizer, form)

    def cut(self, text: str, tokens: int) -> str:
        """Returns the longest start of `text` with at most so many tokens.

        A character that consists of several tokens is kept or dropped as a whole.
        """
        encoded = self._fast(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets = cast("list[tuple[int, int]]", encoded["offset_mapping"])
        if len(offsets) <= tokens:
            return text
        return text[: offsets[tokens][0]].rstrip()

    # The cache keeps the tokenizer alive, which lives as long as the process anyway.
    @lru_cache(maxsize=256)  # noqa: B019
    def permutation_tokens(self, k: int) -> int:
        """Returns the tokens of "[1] > [2] > ... > [k]": 90 for 20 with RankZephyr's tokenizer."""
        return len(self.plain(" > ".join(f"[{i}]" for i in range(1, k + 1))))

    # As above.
    @lru_cache(maxsize=256)  # noqa: B019
    def leading_tokens(self, form: AnswerFormat, k: int, first: int) -> int:
        """Returns the most tokens of the first ids of a clean answer: 49 for 10 of 20.

        Args:
            form: The format of the answer, which has a spelling.
            k: Number of passages in the window.
            first: Number of ids, from 1 to k.
        """
        names = [form.identifier(rank) for rank in range(1, k + 1)]
        longest = sorted(names, key=lambda one: -len(self.plain(ids_text(form, [one]))))[:first]
        # Where nothing closes an id, only the next token shows that it has ended.
        is_open = form.spelling is not None and not form.spelling.after
        return len(self.plain(ids_text(form, longest))) + is_open


def load_tokenizer(name: str, revision: str | None, chat_format: str) -> TeacherTokenizer:
    """Loads a tokenizer.

    Args:
        name: "rankzephyr", a folder, a Hugging Face model id, or "ID@COMMIT".
        revision: Git revision of a model id.
        chat_format: "zephyr" or "own".

    Raises:
        UsageError: The tokenizer cannot be loaded, or has no usable chat template.
        EnvironmentProblem: A package is missing.
    """
    if name == BUNDLED:
        return TeacherTokenizer(rankzephyr_tokenizer(), ZEPHYR_FORMAT, BUNDLED)
    try:
        from transformers import AutoTokenizer, PreTrainedTokenizerFast
    except ImportError:
        raise missing_package("transformers") from None
    try:
        source, own_revision = split_revision(name)
        # Its own code never runs; unset, transformers would ask at the terminal.
        fast = AutoTokenizer.from_pretrained(
            source, revision=own_revision or revision, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the tokenizer of '{name}' cannot be loaded: {reason_of(error)}",
            "give --tokenizer a Hugging Face model id, or a folder with tokenizer.json",
        ) from None
    if not isinstance(fast, PreTrainedTokenizerFast):
        raise UsageError(
            f"'{name}' has only a slow tokenizer, which does not report the offsets of tokens",
            "give --tokenizer a model with a tokenizer.json",
        )
    return TeacherTokenizer(fast, chat_format, name)
