"""Reads a template file; whatever is wrong with it is one sentence with the file and the key.

The keys are those of rank_llm's template files, and three of our own: `name`, `answer` (the name of
an answer format) and `few_shot` (a list of conversations, as in rank_llm's few-shot files).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

from rankgen.generator.answers.formats import (
    FORMATS,
    AnswerFormat,
    answer_format,
    format_of_pattern,
)
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.prompts.templates import MULTI_TURN, SINGLE_TURN, PromptTemplate
from rankgen.manifests.errors import UsageError, did_you_mean

_WHOLE = frozenset({"query", "num"})
_EACH = frozenset({"rank", "candidate"})
# Key -> the placeholders it may have.
_SECTIONS: dict[str, dict[str, frozenset[str]]] = {
    SINGLE_TURN: {
        "system_message": frozenset(),
        "prefix": _WHOLE,
        "body": _EACH | {"score"},
        "suffix": _WHOLE | {"psg_ids"},
    },
    MULTI_TURN: {
        "system_message": frozenset(),
        "prefix_user": _WHOLE,
        "prefix_assistant": _WHOLE,
        "body_user": _EACH,
        "body_assistant": frozenset({"rank"}),
        "suffix_user": _WHOLE,
    },
}
_PATTERN = "output_validation_regex"
_OTHER_KEYS = ("method", _PATTERN, "output_extraction_regex", "name", "answer", "few_shot")
_RAW = re.compile(r"""r(["'])(.*)\1""", re.DOTALL)


def parse_template(values: object, where: str, name: str) -> PromptTemplate:
    """Checks the content of a template file.

    Args:
        values: What the file holds, as YAML or JSON reads it.
        where: The file, for messages.
        name: The template's name, if it does not give one itself.

    Raises:
        UsageError: It is no listwise template.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where} is no template: it has no keys", "begin it with method: …")
    method = values.get("method")
    if method not in _SECTIONS:
        told = "it has no method" if method is None else f"its method is {method!r}"
        raise UsageError(
            f"{where} is no listwise template: {told}", f"use {SINGLE_TURN} or {MULTI_TURN}"
        )
    allowed = _SECTIONS[method]
    for key in values:
        if key not in allowed and key not in _OTHER_KEYS:
            raise UsageError(
                f"{where}: there is no key '{key}' in a {method} template",
                did_you_mean(str(key), [*allowed, *_OTHER_KEYS]),
            )
    sections = {key: _text(values, key, where) for key in allowed if key in values}
    found = {key: _placeholders(text, key, where) for key, text in sections.items()}
    for key, names in found.items():
        _check_placeholders(names, allowed[key], key, where)
    _check_body(found, "body" if method == SINGLE_TURN else "body_user", where)
    if not any("query" in names for names in found.values()):
        place = "prefix or suffix" if method == SINGLE_TURN else "prefix_user or suffix_user"
        raise UsageError(
            f"{where}: the template never shows the query", f"add {{query}} to {place}"
        )
    if method == MULTI_TURN:
        _check_turns(sections, where)
    return PromptTemplate(
        name=_text(values, "name", where) if "name" in values else name,
        method=str(method),
        sections=sections,
        form=_form(values, where),
        few_shot=_few_shot(values, where),
    )


def _text(values: Mapping[str, object], key: str, where: str) -> str:
    text = values[key]
    if not isinstance(text, str) or not text.strip():
        raise UsageError(
            f"{where}: the key '{key}' holds no text", f"give {key} a text, or leave it out"
        )
    return text


def _placeholders(text: str, key: str, where: str) -> frozenset[str]:
    if key == "system_message":
        return frozenset()
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise UsageError(
            f"{where}: the key '{key}' has a brace of its own: {error}",
            "write {{ and }} for braces that are part of the text",
        ) from None
    for _, name, form, conversion in parts:
        if name is not None and (form or conversion):
            raise UsageError(
                f"{where}: the key '{key}' formats its placeholder {{{name}}}",
                f"write only {{{name}}}",
            )
    return frozenset(name for _, name, _, _ in parts if name is not None)


def _check_placeholders(
    names: frozenset[str], allowed: frozenset[str], key: str, where: str
) -> None:
    if unknown := sorted(names - allowed):
        known = ", ".join(f"{{{name}}}" for name in sorted(allowed)) or "no placeholders"
        raise UsageError(
            f"{where}: the key '{key}' has the unknown placeholder {{{unknown[0]}}}",
            f"{key} knows {known}; write {{{{ and }}}} for braces that are part of the text",
        )


def _check_body(found: Mapping[str, frozenset[str]], key: str, where: str) -> None:
    names = found.get(key, frozenset())
    for placeholder, fault in (
        ("candidate", "drops the passage"),
        ("rank", "gives the passages no identifiers"),
    ):
        if placeholder not in names:
            raise UsageError(
                f"{where}: the template {fault}: the key '{key}' lacks {{{placeholder}}}",
                f"add {{{placeholder}}} to {key}",
            )


def _check_turns(sections: Mapping[str, str], where: str) -> None:
    if "body_assistant" in sections and "suffix_user" not in sections:
        raise UsageError(
            f"{where}: the conversation ends with the assistant's turn, without a question",
            "add suffix_user",
        )
    if ("prefix_user" in sections) != ("prefix_assistant" in sections):
        raise UsageError(
            f"{where}: two turns of the same role follow each other",
            "give both prefix_user and prefix_assistant, or neither",
        )
    if not {"prefix_assistant", "body_assistant"} & sections.keys():
        raise UsageError(f"{where}: the assistant has no turn", f"use the method {SINGLE_TURN}")


def _form(values: Mapping[str, object], where: str) -> AnswerFormat:
    if "answer" in values:
        try:
            return answer_format(str(values["answer"]))
        except UsageError as error:
            raise UsageError(f"{where}: {error.message}", error.hint) from None
    add = f"add answer: NAME, where NAME is one of {', '.join(FORMATS)}"
    if _PATTERN not in values:
        raise UsageError(f"{where} does not say how the ranking is written", add)
    pattern = _text(values, _PATTERN, where).strip()
    raw = _RAW.fullmatch(pattern)
    try:
        form = format_of_pattern(raw[2] if raw else pattern)
    except re.error as error:
        raise UsageError(
            f"{where}: the key '{_PATTERN}' is no regular expression: {error}", add
        ) from None
    if form is None:
        raise UsageError(
            f"{where}: the key '{_PATTERN}' fits no format of answers, or several", add
        )
    return form


def _few_shot(values: Mapping[str, object], where: str) -> tuple[ChatMessage, ...]:
    turns: list[ChatMessage] = []
    conversations = values.get("few_shot", [])
    for example in conversations if isinstance(conversations, list) else [None]:
        said = example.get("conversations") if isinstance(example, Mapping) else None
        for turn in said if isinstance(said, list) and said else [None]:
            role, text = (
                (turn.get("role"), turn.get("value")) if isinstance(turn, Mapping) else (None, None)
            )
            expected = "assistant" if len(turns) % 2 else "user"
            if role != expected or not isinstance(text, str):
                raise UsageError(
                    f"{where}: the key 'few_shot' is no list of conversations, whose turns have a "
                    "role (user and assistant in turn) and a value",
                    "write it as few_shot: [{conversations: [{role: user, value: …}, …]}]",
                )
            turns.append(ChatMessage(role, text))
    if len(turns) % 2:
        raise UsageError(
            f"{where}: the key 'few_shot' ends with a question", "add the assistant's turn"
        )
    return tuple(turns)
