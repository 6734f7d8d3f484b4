"""The tokens that constrained decoding allows, and the table by which clean answers are read."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from rankgen.generator.answers.formats import BRACKETS, FORMATS, AnswerFormat
from rankgen.generator.answers.leading import ids_text, leading_ids
from rankgen.generator.answers.permutation import parse_permutation
from rankgen.generator.answers.ranking_walk import RankingWalk, most_spaces
from rankgen.generator.prompts.rankzephyr_tokenizer import rankzephyr_tokenizer
from rankgen.generator.prompts.token_texts import AnswerTexts, alphabet, token_texts

SPELT = [form for form in FORMATS.values() if form.spelling is not None]
END = 2


def sentencepiece() -> Tokenizer:
    """RankZephyr's, where each digit is a token."""
    return rankzephyr_tokenizer().backend_tokenizer


def byte_level() -> Tokenizer:
    """One that learned from rankings: "12", "] > [" and even "1] > [2" are tokens of it."""
    chance, names = random.Random(0), [str(number) for number in range(1, 27)]
    texts = [ids_text(BRACKETS, chance.sample(names, 26)) for _ in range(300)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


TOKENIZERS = {"sentencepiece": sentencepiece(), "byte level": byte_level()}
TEXTS = {name: AnswerTexts(one, BRACKETS) for name, one in TOKENIZERS.items()}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return TOKENIZERS[request.param]


def test_the_learned_tokenizer_joins_ids() -> None:
    table = token_texts(TOKENIZERS["byte level"], alphabet(BRACKETS))
    assert any("1] > [" in text or "] > [1" in text for text in table.values())
    assert any(re.search(r"\d\d", text) for text in table.values())


@pytest.mark.parametrize("form", SPELT, ids=lambda form: form.name)
def test_any_walk_ranks_each_passage_once(tokenizer: Tokenizer, form: AnswerFormat) -> None:
    table, chance = token_texts(tokenizer, alphabet(form)), random.Random(form.name)
    walk, seen = RankingWalk(form, table, END), set[tuple[int, ...]]()
    for _ in range(120):
        k = chance.randint(2, 26)
        first = chance.randint(1, k - 1)
        names = sorted((form.identifier(rank) for rank in range(1, k + 1)), key=len)
        limit = len(ids_text(form, names[k - first :], "")) + most_spaces(form, k)
        state, ids = walk.start(k, first), list[int]()
        while (token := chance.choice(allowed := walk.allowed(state))) != END:
            ids.append(token)
            state = walk.advanced(state, token)
        assert allowed == [END]
        assert len(ids) <= limit
        found = leading_ids("".join(table[one] for one in ids), form, k, first, is_cut=False)
        assert found is not None
        seen.add(found)
    assert len(seen) > 50


@pytest.mark.parametrize("form", SPELT, ids=lambda form: form.name)
def test_every_clean_answer_is_allowed(tokenizer: Tokenizer, form: AnswerFormat) -> None:
    table, chance = token_texts(tokenizer, alphabet(form)), random.Random(form.name)
    walk, k = RankingWalk(form, table, END), 20
    for number in range(60):
        first, gap = chance.randint(1, k - 1), chance.choice(["", " ", "\n"])
        names = [form.identifier(place) for place in chance.sample(range(1, k + 1), k)]
        text = ids_text(form, names[: first + 1], gap)
        state = walk.start(k, first)
        for token in _spelt(tokenizer, table, text, chance, by_tokenizer=number % 2 == 0):
            allowed = walk.allowed(state)
            if allowed == [END]:
                break
            assert token in allowed
            state = walk.advanced(state, token)
        assert walk.allowed(state) == [END]


def _spelt(
    tokenizer: Tokenizer,
    table: Mapping[int, str],
    text: str,
    chance: random.Random,
    *,
    by_tokenizer: bool,
) -> Sequence[int]:
    """Returns the tokens of a text: the tokenizer's, or others that spell it too."""
    if by_tokenizer:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids
    found, place = list[int](), 0
    while place < len(text):
        fitting = [one for one, part in table.items() if text.startswith(part, place)]
        found.append(chance.choice(fitting))
        place += len(table[found[-1]])
    return found


def test_an_answer_begins_alike_however_many_passages_are_needed(tokenizer: Tokenizer) -> None:
    """A model that likes some tokens best, white space among them, and is led by its own text."""
    walk = RankingWalk(BRACKETS, token_texts(tokenizer, alphabet(BRACKETS)), END)

    def written(first: int, seed: int) -> list[int]:
        state, ids = walk.start(12, first), list[int]()
        while (allowed := walk.allowed(state)) != [END]:
            ids.append(max(allowed, key=lambda one: random.Random(f"{seed} {ids} {one}").random()))
            state = walk.advanced(state, ids[-1])
        return ids

    for seed in range(12):
        whole = written(11, seed)
        part = written(3, seed)
        assert part == whole[: len(part)]
        assert len(part) < len(whole)


def test_a_passage_that_was_named_is_not_allowed_again() -> None:
    table = token_texts(TOKENIZERS["sentencepiece"], alphabet(BRACKETS))
    walk, of = RankingWalk(BRACKETS, table, END), TOKENIZERS["sentencepiece"].encode

    def next_texts(text: str, k: int) -> set[str]:
        state = walk.start(k, k - 1)
        for token in of(text, add_special_tokens=False).ids:
            state = walk.advanced(state, token)
        return {table[token].strip() for token in walk.allowed(state) if token in table}

    assert next_texts("[", 12) == set("123456789")
    assert next_texts("[2] > [", 12) == set("13456789")
    assert next_texts("[2] > [1", 12) == set("]012")
    assert next_texts("[1] > [", 12) == set("123456789")
    assert next_texts("[1] > [1", 12) == set("012")
    assert next_texts("[10] > [11] > [12] > [1", 12) == set("]")
    assert next_texts("[10] > [11] > [12] > [1] > [", 12) == set("23456789")


def vllm_text(tokenizer: Tokenizer, prompt: Sequence[int], ids: Sequence[int]) -> str:
    """Returns what vLLM itself makes of output ids."""
    detokenizer = pytest.importorskip("vllm.v1.engine.detokenizer")
    from vllm import SamplingParams

    asked = SimpleNamespace(
        request_id="", sampling_params=SamplingParams(), prompt_token_ids=list(prompt)
    )
    own = SimpleNamespace(_tokenizer=tokenizer)
    found: Any = detokenizer.FastIncrementalDetokenizer(own, asked)
    found.update(list(ids), False)
    return str(found.get_next_output_text(True, False))


@settings(max_examples=300)
@given(st.data(), st.sampled_from(sorted(TOKENIZERS)), st.booleans())
def test_texts_are_those_of_a_stream_of_the_tokenizer(
    data: st.DataObject, name: str, is_noisy: bool
) -> None:
    tokenizer = TOKENIZERS[name]
    texts = TEXTS[name]
    assert texts.table
    known = sorted(texts.table)
    tokens = st.integers(3, tokenizer.get_vocab_size() - 1) if is_noisy else st.sampled_from(known)
    ids = data.draw(st.lists(tokens, max_size=12))
    prompt = tokenizer.encode("rank these:\n").ids
    by_vllm = vllm_text(tokenizer, prompt, ids)
    assert texts.decoded(prompt, ids) == by_vllm
    found = texts.text(prompt, ids)
    assert found == by_vllm or set(ids) <= set(known)
    assert parse_permutation(found, 3) == parse_permutation(by_vllm, 3)


def test_a_tokenizer_whose_tokens_depend_on_their_place_has_no_table() -> None:
    tokenizer = byte_level()
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 0, 1)])
    texts = AnswerTexts(tokenizer, BRACKETS)
    ids = tokenizer.encode("[2] > [1]").ids
    assert texts.text([], ids) == texts.decoded([], ids)
