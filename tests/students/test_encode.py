"""Assembled pairs must be the tokenizer's own pair encoding, to the last id and type."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rankgen.students.model.pair_template import PairTemplate, pair_template
from rankgen.students.model.scoring import length_sorted_chunks
from rankgen.students.model.tokens import tokenise, without_presets

QUERY = "how many people live in Berlin?"
PASSAGE = "Berlin had 3,520,031 inhabitants. Ümläute, 漢字 and \u2028 too."


@pytest.fixture(scope="module")
def bert(minilm: str) -> PreTrainedTokenizerBase:
    return without_presets(AutoTokenizer.from_pretrained(minilm))


@pytest.fixture(scope="module")
def roberta() -> PreTrainedTokenizerBase:
    """A tokenizer with RoBERTa's template: two separators in the middle and no token types."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "</s>", "<pad>", "<unk>", *QUERY.split(), *PASSAGE.split(), "second", "text"]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )


def assembled(tokenizer: PreTrainedTokenizerBase, query: str, passage: str) -> dict[str, list[int]]:
    template = pair_template(tokenizer)
    queries = tokenise(tokenizer, {"q": query}, 32)
    passages = tokenise(tokenizer, {"d": passage}, 256)
    inputs = template.collate([(queries["q"], passages["d"])])
    return {name: tensor[0].tolist() for name, tensor in inputs.items()}


@pytest.mark.parametrize(
    ("query", "passage"),
    [(QUERY, PASSAGE), ("", PASSAGE), (QUERY, ""), ("a", "[SEP] in the text [MASK] " * 9)],
)
def test_bert_pairs_equal_the_tokenizers_own(
    bert: PreTrainedTokenizerBase, query: str, passage: str
) -> None:
    own = bert([query], [passage])
    assert assembled(bert, query, passage) == {name: rows[0] for name, rows in own.items()}


def test_roberta_pairs_equal_the_tokenizers_own(roberta: PreTrainedTokenizerBase) -> None:
    template = pair_template(roberta)
    assert template.middle.tolist() == [1, 1]
    assert template.types is None
    assert assembled(roberta, QUERY, PASSAGE) == dict(roberta(QUERY, PASSAGE))


def test_long_texts_are_cut_each_on_its_own(bert: PreTrainedTokenizerBase) -> None:
    query, passage = "many words " * 50, "even more words here " * 200
    ids = assembled(bert, query, passage)["input_ids"]
    own = bert(
        bert.decode(bert(query, add_special_tokens=False)["input_ids"][:32]),
        bert.decode(bert(passage, add_special_tokens=False)["input_ids"][:256]),
    )["input_ids"]
    assert len(ids) == 32 + 256 + 3
    assert ids == own


def test_presets_are_gone(minilm: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    assert len(tokenizer.backend_tokenizer.encode("short").ids) == 128
    assert len(without_presets(tokenizer).backend_tokenizer.encode("short").ids) == 3
    assert len(tokenizer.backend_tokenizer.encode("word " * 300).ids) == 302


def test_padding_is_masked(bert: PreTrainedTokenizerBase) -> None:
    template = pair_template(bert)
    texts = tokenise(bert, {"short": "a b", "long": "a b c d e f"}, 100)
    inputs = template.collate([(texts["short"], texts["short"]), (texts["short"], texts["long"])])
    assert inputs["attention_mask"].sum(dim=1).tolist() == [7, 11]
    assert inputs["input_ids"][0, 7:].tolist() == [template.pad_id] * 4


def test_token_store_keeps_every_text(bert: PreTrainedTokenizerBase) -> None:
    words = random.Random(0)
    texts = {f"d{n}": " ".join(words.choices(PASSAGE.split(), k=n % 40)) for n in range(1200)}
    store = tokenise(bert, texts, 20)
    assert len(store) == 1200
    for key in ("d0", "d1", "d1023", "d1024", "d1199"):
        assert store[key].tolist() == bert(texts[key], add_special_tokens=False)["input_ids"][:20]


def test_chunks_hold_every_pair_once_and_stay_in_the_budget() -> None:
    lengths = [int(n) for n in torch.randint(5, 290, (500,)).tolist()]
    chunks = length_sorted_chunks(lengths, 2400)
    assert sorted(index for chunk in chunks for index in chunk) == list(range(500))
    assert all(len(chunk) * max(lengths[i] for i in chunk) <= 2400 for chunk in chunks)
    padded = sum(len(chunk) * max(lengths[i] for i in chunk) for chunk in chunks)
    assert padded < 1.1 * sum(lengths)
    assert [chunk.tolist() for chunk in length_sorted_chunks([9000, 1], 10)] == [[0], [1]]


def test_template_special_tokens(bert: PreTrainedTokenizerBase) -> None:
    template: PairTemplate = pair_template(bert)
    assert template.special_tokens == 3
    assert template.types == (0, 0, 0, 1, 1)
