"""Turns messages into the text that a model reads, within the limits of its chat template.

A chat template is a program that comes with the model. It may refuse a system turn (Gemma), drop it
silently, expect content in parts (vision models), or lack the start of an answer. `find_chat_form`
tests it once with marked messages and determines the form in which it accepts prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import UsageError, reason_of

ZEPHYR_FORMAT = "zephyr"
Turn = dict[str, object]
# Called with the turns, and whether to add the start of the answer; returns the text.
Render = Callable[[list[Turn], bool], str]
_SYSTEM_MARK = "Rules kgqz."
_USER_MARK = "Query wvxj:\n[1] passage pfhu\n[2] passage dtmy\nAnswer rsnb."
_ANSWER_MARK = "kwzg"


@dataclass(frozen=True)
class ChatForm:
    """The form in which a chat template accepts prompts.

    Attributes:
        merges_system: Whether the system text is put at the start of the user turn.
        in_parts: Whether content is a list with one text part, not a string.
        answer_start: The start of the answer, if the template does not add it.
        prompt_end: The text between the user's text and the answer.
    """

    merges_system: bool = False
    in_parts: bool = False
    answer_start: str = ""
    prompt_end: str = ""

    def text(self, messages: Sequence[ChatMessage], render: Render) -> str:
        """Returns the prompt, ready for the answer.

        Raises:
            ValueError: The template drops or changes the messages' texts.
            Exception: The template raised it.
        """
        if self.merges_system:
            messages = merge_system(messages)
        text = render(_turns(messages, self.in_parts), True) + self.answer_start
        # A template may strip white space around a text.
        if not all(message.content.strip() in text for message in messages):
            raise ValueError("it leaves out or changes its words")
        return text


def zephyr_text(messages: Sequence[ChatMessage]) -> str:
    """Returns the messages in Zephyr's chat format, ready for the assistant's answer.

    FastChat's "zephyr" template (2024) and the chat template in RankZephyr's tokenizer give the
    same text. The tokenizer adds the beginning-of-sequence token.
    """
    turns = "".join(f"<|{message.role}|>\n{message.content}</s>\n" for message in messages)
    return turns + "<|assistant|>\n"


def merge_system(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Returns the messages with the system text at the start of the user turn."""
    system = [message.content for message in messages if message.role == "system"]
    first, *rest = (message for message in messages if message.role != "system")
    return ChatMessage(first.role, "\n\n".join([*system, first.content])), *rest


def find_chat_form(render: Render, source: str) -> ChatForm:
    """Returns the first form in which a template passes on every text of a prompt.

    Args:
        render: Applies the template.
        source: The owner of the template, for the message.

    Raises:
        UsageError: The template accepts no form; the message quotes its reason.
    """
    marked = (ChatMessage("system", _SYSTEM_MARK), ChatMessage("user", _USER_MARK))
    reason = ""
    for merges_system in (False, True):
        for in_parts in (False, True):
            form = ChatForm(merges_system, in_parts)
            try:
                text = form.text(marked, render)
            except Exception as error:  # A template is a program and raises what it likes.
                if not in_parts:
                    reason = reason_of(error)
                continue
            start = _missing_answer_start(form, marked, render, text)
            end = text.partition(_USER_MARK)[2] + start
            return ChatForm(merges_system, in_parts, start, end)
    raise UsageError(
        f"the chat template of {source} cannot hold a ranking prompt: {reason}",
        "give --tokenizer the id of a chat model, or use --teacher rankzephyr for "
        "RankZephyr's own format",
    )


def _turns(messages: Sequence[ChatMessage], in_parts: bool) -> list[Turn]:
    return [
        {
            "role": message.role,
            "content": [{"type": "text", "text": message.content}] if in_parts else message.content,
        }
        for message in messages
    ]


def _missing_answer_start(
    form: ChatForm, marked: Sequence[ChatMessage], render: Render, prompt: str
) -> str:
    """Returns the assistant's header if the template has no generation prompt of its own.

    The header is the text before the answer in a conversation with one. White space alone is not a
    header: Mistral's templates are ready after the user's turn.
    """
    messages = merge_system(marked) if form.merges_system else marked
    turns = _turns(messages, form.in_parts)
    answered = [*turns, *_turns([ChatMessage("assistant", _ANSWER_MARK)], form.in_parts)]
    try:
        if render(turns, False) != prompt:
            return ""
        whole = render(answered, False)
    # A template refuses by any exception that it likes; this one does not accept answers.
    except Exception:
        return ""
    head, mark, _ = whole.partition(_ANSWER_MARK)
    start = head[len(prompt) :]
    return start if mark and head.startswith(prompt) and start.strip() else ""
