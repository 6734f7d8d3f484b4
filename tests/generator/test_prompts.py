"""Prompt profiles, RankZephyr's tokenizer, id assembly and truncation; no model is needed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.prompts.assembly import LineAssembler
from rankgen.generator.prompts.budget import PromptBuilder, common_cap
from rankgen.generator.prompts.chat_format import zephyr_text
from rankgen.generator.prompts.profiles import PROFILES, prompt_profile
from rankgen.generator.prompts.tokenizer import BUNDLED, TeacherTokenizer, load_tokenizer
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query

# The form of rank_llm 0.12.8's ZephyrReranker with FastChat's "zephyr" conversation.
GOLDEN_012 = (
    "<|system|>\nYou are RankLLM, an intelligent assistant that can rank passages based on their "
    "relevancy to the query</s>\n<|user|>\nI will provide you with 2 passages, each indicated by a "
    "numerical identifier []. Rank the passages based on their relevance to the search query: "
    "is [7] prime.\n\n[1] Title: Numbers Content: Seven & (7) are prime.\n[2] caf\u00e9 words\n"
    "Search Query: is [7] prime.\nRank the 2 passages above based on their relevance to the search "
    "query. All the passages should be included and listed using identifiers, in descending order "
    "of relevance. The output format should be [] > [], e.g., [2] > [1], Only respond with the "
    "ranking results, do not say any word or explain.</s>\n<|assistant|>\n"
)
TWO = [
    Document("a", "Numbers", " Seven &amp; [7]\nare   prime. "),
    Document("b", "", "caf\u00c3\u00a9 words"),
]


@pytest.fixture(scope="module")
def tokenizer() -> TeacherTokenizer:
    return load_tokenizer(BUNDLED, None, "zephyr")


def test_the_paper_era_prompt() -> None:
    messages = PROFILES["rank_llm-0.12"].render(Query("q", "is [7] prime"), TWO)
    assert zephyr_text(messages) == GOLDEN_012


def test_the_profiles_differ_where_rank_llm_changed() -> None:
    now = zephyr_text(PROFILES["rank_llm-0.25"].render(Query("q", "is [7] prime"), TWO))
    expected = GOLDEN_012.replace(".\n\n[1]", ".\n[1]").replace("is [7]", "is (7)")
    expected = expected.replace(
        "Only respond with", "Answer concisely and directly and only respond with"
    )
    assert now == expected


def test_hashes_are_frozen() -> None:
    # A changed hash is another teacher: give the changed prompt another name instead.
    assert {name: profile.sha256[:16] for name, profile in PROFILES.items()} == HASHES


HASHES = {"rank_llm-0.25": "436bf5fb7081feb9", "rank_llm-0.12": "82492759a49d834b"}


def test_words_are_capped_by_window_size() -> None:
    profile = PROFILES["rank_llm-0.25"]
    assert [profile.word_cap(k) for k in (20, 15, 11, 7, 2)] == [300, 400, 545, 857, 3000]
    long = Document("d", "", "word " * 5000)
    assert len(profile.passages([long] * 20)[0].split()) == 300


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        prompt_profile("rank_llm-0.2")
    assert "rank_llm-0.25" in str(caught.value.hint)


@pytest.mark.parametrize(("k", "tokens"), [(20, 90), (15, 65), (10, 40), (5, 19)])
def test_output_budgets(tokenizer: TeacherTokenizer, k: int, tokens: int) -> None:
    assert tokenizer.permutation_tokens(k) == tokens


@settings(max_examples=100)
@given(order=st.permutations(range(1, 21)))
def test_every_permutation_needs_the_same_tokens(order: list[int]) -> None:
    tokenizer = load_tokenizer(BUNDLED, None, "zephyr")
    assert len(tokenizer.plain(" > ".join(f"[{i}]" for i in order))) == 90


@settings(max_examples=300)
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_the_bundled_tokenizer_is_sentencepieces(text: str) -> None:
    import mistral_common
    import sentencepiece

    path = Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    tokenizer = load_tokenizer(BUNDLED, None, "zephyr")
    # SentencePiece ends a text at NUL and knows no special tokens inside a text.
    if "\x00" not in text and not any(t in text for t in tokenizer.special_strings):
        assert tokenizer.plain(text) == reference.encode(text)


_TEXT = st.text(
    alphabet=st.one_of(st.sampled_from(" \n[]()123</s>|é漢▁\t"), st.characters(codec="utf-8")),
    max_size=60,
)


@settings(max_examples=300)
@given(query=_TEXT, passages=st.lists(_TEXT, min_size=1, max_size=5))
def test_assembled_ids_equal_whole_text_ids(query: str, passages: list[str]) -> None:
    tokenizer = load_tokenizer(BUNDLED, None, "zephyr")
    assembler = LineAssembler(tokenizer)
    assert assembler.in_use
    documents = [Document(str(i), "", text) for i, text in enumerate(passages)]
    for profile in PROFILES.values():
        text = zephyr_text(profile.render(Query("q", query), documents))
        # Directly, because the first prompts of `encode` are tokenised whole anyway.
        assert assembler._assembled(text) == tokenizer.encode(text)


@pytest.mark.data
def test_assembled_ids_on_real_passages(test_data: Path, tokenizer: TeacherTokenizer) -> None:
    builder_side = LineAssembler(tokenizer)
    profile = PROFILES["rank_llm-0.25"]
    windows = _real_windows(test_data, 100)
    texts = [zephyr_text(profile.render(query, documents)) for query, documents in windows]
    assert sum(len(documents) for _, documents in windows) == 2000
    for text in texts:
        assert builder_side._assembled(text) == tokenizer.encode(text)


def test_another_tokenizer_is_not_assembled() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=plain)
    assembler = LineAssembler(TeacherTokenizer(fast, "zephyr", "test"))
    assert not assembler.in_use
    assert assembler.encode("a b") == [0, 1]


def _real_windows(folder: Path, count: int) -> list[tuple[Query, list[Document]]]:
    collection = folder / "msmarco-dl19"
    rows = [json.loads(x) for x in _lines(collection / "corpus.jsonl")[: 20 * count]]
    queries = [json.loads(x) for x in _lines(collection / "queries.jsonl")]
    documents = [Document(r["_id"], r["title"], r["text"]) for r in rows]
    return [
        (
            Query("q", queries[i % len(queries)]["text"]),
            documents[20 * i : 20 * i + 20],
        )
        for i in range(count)
    ]


def _lines(path: Path) -> list[str]:
    return [x for x in path.read_text(encoding="utf-8").split("\n") if x]


def test_what_fits_is_untouched(tokenizer: TeacherTokenizer) -> None:
    builder = PromptBuilder(PROFILES["rank_llm-0.25"], tokenizer, 4096)
    query = Query("q", "what " * 300)
    documents = [Document(str(i), "", f"passage {i} " * 40) for i in range(20)]
    built = builder.build(query, documents, 90)
    whole = zephyr_text(PROFILES["rank_llm-0.25"].render(query, documents))
    assert (built.text, built.cut) == (whole, 0)
    assert list(built.token_ids) == tokenizer.encode(whole)


def test_too_much_text_is_cut_to_one_length(tokenizer: TeacherTokenizer) -> None:
    builder = PromptBuilder(PROFILES["rank_llm-0.25"], tokenizer, 4096)
    documents = [Document(str(i), "", f"word{i} " * (10 if i % 2 else 2000)) for i in range(20)]
    built = builder.build(Query("q", "short question"), documents, 90)
    # The short ones are whole.
    assert built.cut == 10
    assert len(built.token_ids) <= 4006
    # Nothing is given away: less than one token of every passage is left over.
    assert len(built.token_ids) > 4006 - 3 * 20
    lines = built.messages[1].content.split("\n")
    short = [line for i, line in enumerate(lines[1:21]) if i % 2]
    assert all(len(line.split()) == 11 for line in short)
    lengths = [len(tokenizer.plain(line)) for i, line in enumerate(lines[1:21]) if not i % 2]
    assert max(lengths) - min(lengths) <= 4
    assert built.messages[1].content.count("short question") == 2


@pytest.mark.parametrize("text", ["why " * 20_000, "\u6f22" * 20_000, "x" * 50_000, "[1] " * 9000])
def test_an_endless_query_is_cut_and_the_work_ends(tokenizer: TeacherTokenizer, text: str) -> None:
    builder = PromptBuilder(PROFILES["rank_llm-0.25"], tokenizer, 4096)
    documents = [Document(str(i), "", "some words here " * 30) for i in range(20)]
    began = time.monotonic()
    built = builder.build(Query("q", text), documents, 90)
    assert time.monotonic() - began < 20
    assert built.cut == 1
    assert len(built.token_ids) <= 4006
    assert "[20] some words here" in built.messages[1].content


@settings(max_examples=60)
@given(
    query=st.text(alphabet="ab \u6f22\U0001d4b3[1]", max_size=400),
    passages=st.lists(st.text(alphabet="cd \u6f22\U0001d4b3[1]", max_size=900), min_size=1),
    context=st.integers(400, 900),
)
def test_no_prompt_is_over_its_budget(query: str, passages: list[str], context: int) -> None:
    tokenizer = load_tokenizer(BUNDLED, None, "zephyr")
    builder = PromptBuilder(PROFILES["rank_llm-0.25"], tokenizer, context)
    documents = [Document(str(i), "", text) for i, text in enumerate(passages)]
    built = builder.build(Query("q", query), documents, 19)
    assert len(built.token_ids) <= context - 19
    assert list(built.token_ids) == tokenizer.encode(built.text)


def test_a_context_that_holds_no_instructions_fails(tokenizer: TeacherTokenizer) -> None:
    builder = PromptBuilder(PROFILES["rank_llm-0.25"], tokenizer, 128)
    with pytest.raises(TeacherFailure, match="without its passages"):
        builder.build(Query("q", "a"), TWO, 19)


@given(lengths=st.lists(st.integers(0, 50), max_size=12), room=st.integers(-5, 300))
def test_the_common_cap_is_the_largest_that_fits(lengths: list[int], room: int) -> None:
    cap = common_cap(lengths, room)
    if room >= 0:
        assert sum(min(n, cap) for n in lengths) <= room
    if lengths and cap < max(lengths):
        assert sum(min(n, cap + 1) for n in lengths) > room
