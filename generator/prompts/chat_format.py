"""Turns messages into the text that a model reads, whatever its chat template allows.

A chat template is a program that came with the model. It may refuse a system turn (Gemma), leave
it out without a word, expect content in parts (models that see), or not know how an answer begins.
`find_chat_form` shows it marked messages once and settles how it is to be given ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import UsageError, reason_of

ZEPHYR_FORMAT = "zephyr"
Turn = dict[str, object]
# Takes turns and whether the answer is to begin; returns the text.
Render = Callable[[list[Turn], bool], str]
_SYSTEM_MARK = "Rules kgqz."
_USER_MARK = "Query wvxj:\n[1] passage pfhu\n[2] passage dtmy\nAnswer rsnb."
_ANSWER_MARK = "kwzg"


@dataclass(frozen=True)
class ChatForm:
    """How a chat template takes our messages.

    Attributes:
        merges_system: The system text stands in front of the user's, in one turn.
        in_parts: Content is a list of one part of text, not a string.
        answer_start: What the template lacks of a prompt that is ready for the answer.
        prompt_end: What stands between the user's text and the answer.
    """

    merges_system: bool = False
    in_parts: bool = False
    answer_start: str = ""
    prompt_end: str = ""

    def text(self, messages: Sequence[ChatMessage], render: Render) -> str:
        """Returns the prompt, ready for the answer.

        Raises:
            ValueError: The template shows something else than the messages' texts.
            Exception: Whatever the template raises.
        """
        if self.merges_system:
            messages = merge_system(messages)
        text = render(_turns(messages, self.in_parts), True) + self.answer_start
        # White space around a text is the template's to take.
        if not all(message.content.strip() in text for message in messages):
            raise ValueError("it leaves out or changes its words")
        return text


def zephyr_text(messages: Sequence[ChatMessage]) -> str:
    """Returns the messages in Zephyr's chat format, ready for the assistant's answer.

    FastChat's "zephyr" template (2024) and the chat template in RankZephyr's tokenizer give this
    same text. The beginning-of-sequence token is the tokenizer's to add.
    """
    turns = "".join(f"<|{message.role}|>\n{message.content}</s>\n" for message in messages)
    return turns + "<|assistant|>\n"


def merge_system(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Returns the messages without a system turn: its text is put in front of the user's."""
    system = [message.content for message in messages if message.role == "system"]
    first, *rest = (message for message in messages if message.role != "system")
    return ChatMessage(first.role, "\n\n".join([*system, first.content])), *rest


def find_chat_form(render: Render, source: str) -> ChatForm:
    """Returns the first form in which a template shows the model every text of a prompt.

    Args:
        render: Applies the template.
        source: Whose template it is, for the message.

    Raises:
        UsageError: There is none; the template's own words are in the message.
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
        "name the tokenizer of a chat model by --tokenizer, or use --teacher rankzephyr for "
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
    """Returns the assistant's header where the template has no generation prompt of its own.

    It is what stands before the answer in a conversation that has one; white space alone is none
    (Mistral's templates end the user's turn and are ready).
    """
    messages = merge_system(marked) if form.merges_system else marked
    turns = _turns(messages, form.in_parts)
    answered = [*turns, *_turns([ChatMessage("assistant", _ANSWER_MARK)], form.in_parts)]
    try:
        if render(turns, False) != prompt:
            return ""
        whole = render(answered, False)
    except Exception:  # As above; a template that takes no answer tells nothing about one.
        return ""
    head, mark, _ = whole.partition(_ANSWER_MARK)
    start = head[len(prompt) :]
    return start if mark and head.startswith(prompt) and start.strip() else ""
