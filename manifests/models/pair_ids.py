"""The token ids of a pair's prompt and of its answers, as the models' reference code makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.pair_prompts import PairPrompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANOTHER = "name the model's own --pair-prompt, or another model"


class AnswerIds(NamedTuple):
    """The token ids of the answers; `no` is None where the logit of `yes` alone is the score."""

    yes: int
    no: int | None


def answer_ids(tokenizer: PreTrainedTokenizerBase, prompt: PairPrompt, model: str) -> AnswerIds:
    """Returns the ids of a prompt's answers in a tokenizer.

    Raises:
        UsageError: An answer is not one token of it.
    """
    no = None if prompt.no is None else _one_id(tokenizer, prompt, prompt.no, model)
    return AnswerIds(_one_id(tokenizer, prompt, prompt.yes, model), no)


def pair_ids(
    tokenizer: PreTrainedTokenizerBase,
    prompt: PairPrompt,
    query: str,
    passage: str,
    max_length: int,
    other: str = "",
) -> list[int]:
    """Returns the token ids of a prompt about a pair, at most `max_length`.

    What is too long is cut so that the question at the prompt's end stays: the passage at its end,
    and a query that takes more than three quarters of the room.

    Args:
        tokenizer: The model's.
        prompt: Its prompt.
        query: The query.
        passage: The passage.
        max_length: Most tokens in all.
        other: The second passage of a prompt that compares two.

    Raises:
        UsageError: The prompt alone is longer than `max_length`.
    """
    texts = {"query": query, "passage": passage, "other": other}
    special = _special(tokenizer, prompt)
    if prompt.joined is not None:
        whole = prompt.joined.join((prompt.passage, *prompt.after))
        ids = _ids(tokenizer, prompt.text(whole, texts))
        if len(ids) + len(special) <= max_length:
            return ids + special
    before = [_ids(tokenizer, prompt.text(part, texts)) for part in prompt.before]
    after = [_ids(tokenizer, prompt.text(part, texts)) for part in prompt.after]
    has_query = ["{query}" in part for part in prompt.before]
    fixed = [ids for ids, has in zip(before, has_query, strict=True) if not has]
    room = max_length - len(special) - sum(map(len, [*fixed, *after]))
    around = len(_ids(tokenizer, prompt.text(prompt.passage, dict.fromkeys(texts, ""))))
    most = (room - around) * 3 // 4
    if prompt.cuts_pair:
        most = min((max_length - _outside(tokenizer, prompt)) * 3 // 4, room - around - 1)
    if most < 1:
        raise UsageError(
            f"the prompt '{prompt.name}' needs more than {max_length} tokens",
            "give a longer --context-size",
        )
    if any(has_query):
        before = [ids[:most] if has else ids for ids, has in zip(before, has_query, strict=True)]
        room = max_length - len(special) - sum(map(len, [*before, *after]))
    else:
        texts["query"] = cut_text(tokenizer, query, most)
    if "{other}" in prompt.passage:
        texts = _halved(tokenizer, prompt, texts, room)
    ids = _ids(tokenizer, prompt.text(prompt.passage, texts))[:room]
    ids = [one for part in (*before, ids, *after) for one in part]
    return special + ids if prompt.special == "bos" else ids + special


def whole_limit(tokenizer: PreTrainedTokenizerBase, prompt: PairPrompt) -> int:
    """Returns the most tokens in all of a prompt with its own limit."""
    return prompt.max_length + (_outside(tokenizer, prompt) if prompt.cuts_pair else 0)


def _outside(tokenizer: PreTrainedTokenizerBase, prompt: PairPrompt) -> int:
    """Returns the tokens before the query's part and after the passage's."""
    nothing = {"query": "", "passage": "", "other": ""}
    start = next(n for n, part in enumerate((*prompt.before, "{query}")) if "{query}" in part)
    parts = (*prompt.before[:start], *prompt.after)
    return sum(len(_ids(tokenizer, prompt.text(part, nothing))) for part in parts)


def cut_text(tokenizer: PreTrainedTokenizerBase, text: str, most: int) -> str:
    """Returns the beginning of a text that is at most `most` tokens long."""
    ids = _ids(tokenizer, text)
    while len(ids) > most:
        # Decoding may not give the same text back, so it is counted again.
        shorter = str(tokenizer.decode(ids[:most], skip_special_tokens=True))
        text = shorter if len(shorter) < len(text) else text[: len(text) * 3 // 4]
        ids = _ids(tokenizer, text)
    return text


def _halved(
    tokenizer: PreTrainedTokenizerBase, prompt: PairPrompt, texts: dict[str, str], room: int
) -> dict[str, str]:
    """Returns the texts with both passages cut to half of what the query leaves."""
    bare = prompt.text(prompt.passage, {**texts, "passage": "", "other": ""})
    most = max((room - len(_ids(tokenizer, bare))) // 2 - 1, 1)
    cut = {name: cut_text(tokenizer, texts[name], most) for name in ("passage", "other")}
    return {**texts, **cut}


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    # Without the warning that a text is longer than the model, because it is cut here.
    encoded = tokenizer(text, add_special_tokens=False, verbose=False)
    return list(encoded["input_ids"])


def _special(tokenizer: PreTrainedTokenizerBase, prompt: PairPrompt) -> list[int]:
    if prompt.special is None:
        return []
    one = tokenizer.bos_token_id if prompt.special == "bos" else tokenizer.eos_token_id
    # A tokenizer may fill with its first token, which then says nothing.
    is_none = one is None or (prompt.special == "bos" and one == tokenizer.pad_token_id)
    return [] if is_none else [int(one)]


def _one_id(tokenizer: PreTrainedTokenizerBase, prompt: PairPrompt, answer: str, model: str) -> int:
    if prompt.is_vocabulary:
        found = tokenizer.get_vocab().get(answer)
        if found is None:
            raise UsageError(
                f"the tokenizer of {model} has no token '{answer}', by which the prompt "
                f"'{prompt.name}' scores a passage",
                _ANOTHER,
            )
        return int(found)
    ids = _ids(tokenizer, answer)
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise UsageError(
            f"the tokenizer of {model} has no single token for '{answer}', by which the prompt "
            f"'{prompt.name}' scores a passage",
            _ANOTHER,
        )
    return ids[0]
