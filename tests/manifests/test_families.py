"""Which kind of re-ranker a model is, and how those that are language models are asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_rerankers import CAUSAL_KINDS, QUERY, TEXTS, save_causal, save_t5

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.families import family_by, family_of
from rankgen.manifests.models.pair_model import PairModel, answer_score
from rankgen.manifests.models.pair_prompts import PAIR_PROMPTS, pair_prompt_named

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a T5, and a causal model of each class."""
    root = tmp_path_factory.mktemp("rerankers")
    save_t5(root / "t5")
    for kind in CAUSAL_KINDS:
        save_causal(root / kind, kind)
    return root


@pytest.mark.parametrize(
    ("name", "architecture", "kind", "prompt"),
    [
        ("castorini/monot5-base-msmarco", "T5ForConditionalGeneration", "seq2seq", "monot5"),
        ("unicamp-dl/InRanker-small", "T5ForConditionalGeneration", "seq2seq", "monot5"),
        ("Soyoung97/RankT5-base", "T5ForConditionalGeneration", "seq2seq", "rankt5"),
        ("castorini/duot5-base-msmarco", "T5ForConditionalGeneration", "seq2seq", "duot5"),
        ("Qwen/Qwen3-Reranker-0.6B", "Qwen3ForCausalLM", "causal", "qwen3-reranker"),
        ("mixedbread-ai/mxbai-rerank-base-v2", "Qwen2ForCausalLM", "causal", "mxbai-rerank-v2"),
        ("BAAI/bge-reranker-v2-gemma", "GemmaForCausalLM", "causal", "bge-reranker-gemma"),
        ("Qwen/Qwen3-0.6B", "Qwen3ForCausalLM", "chat", None),
        ("mxbai-rerank-xsmall-v1", "DebertaV2ForSequenceClassification", "classifier", None),
        ("BAAI/bge-reranker-v2-m3", "XLMRobertaForSequenceClassification", "classifier", None),
        ("webis/monoelectra-base", "CrossEncoderElectraModel", "lightning-ir", None),
        ("webis/monoelectra-large", "FlashMonoElectraModel", "lightning-ir", None),
        ("google/electra-base-discriminator", "ElectraForPreTraining", "encoder", None),
    ],
)  # fmt: skip
def test_public_models_are_told_apart(
    name: str, architecture: str, kind: str, prompt: str | None
) -> None:
    family = family_by(name, {"architectures": [architecture]}, name)
    assert (family.kind, family.prompt and family.prompt.name) == (kind, prompt)


def test_relatives_of_monot5_answer_in_their_own_words() -> None:
    def words(name: str) -> tuple[str, str | None]:
        prompt = family_by(name, {"architectures": ["MT5ForConditionalGeneration"]}, name).prompt
        assert prompt is not None
        return prompt.yes, prompt.no

    assert words("unicamp-dl/mt5-base-mmarco-v2") == ("▁yes", "▁no")
    assert words("unicamp-dl/monoptt5-base") == ("▁Sim", "▁Não")
    assert words("castorini/monot5-3b-msmarco") == ("▁true", "▁false")


@pytest.mark.parametrize(
    ("named", "prompt", "yes"),
    [
        ("/models/rankt5-and-others/monot5-base", "monot5", "▁true"),
        ("/models/mt5-base-things/castorini/monot5", "monot5", "▁true"),
        ("/models/monot5/rankt5 castorini/monot5-base-msmarco", "rankt5", "<extra_id_10>"),
        ("/hub/models--unicamp-dl--mt5-base-mmarco-v2/snapshots/abc", "monot5", "▁yes"),
        ("/rankt5/unicamp-dl/InRanker-small", "monot5", "▁true"),
        ("/models/ranker", "monot5", "▁true"),
        ("/models/ranker unicamp-dl/ptt5-base-pt-msmarco", "monot5", "▁sim"),
    ],
)
def test_a_folder_s_own_name_tells_more_than_those_above_it(
    named: str, prompt: str, yes: str
) -> None:
    found = family_by("it", {"architectures": ["T5ForConditionalGeneration"]}, named).prompt
    assert found is not None
    assert (found.name, found.yes) == (prompt, yes)


def test_a_folder_is_told_by_its_files_or_by_the_user(models: Path, tmp_path: Path) -> None:
    assert family_of(str(models / "t5")).prompt == PAIR_PROMPTS["monot5"]
    assert family_of(str(models / "t5"), prompt="rankt5").prompt == PAIR_PROMPTS["rankt5"]
    assert family_of(str(models / "qwen3-reranker")).prompt == PAIR_PROMPTS["qwen3-reranker"]
    with pytest.raises(UsageError, match=r"does not belong to .* a T5ForConditionalGeneration"):
        family_of(str(models / "t5"), prompt="qwen3-reranker")
    with pytest.raises(UsageError, match="no pair prompt 'monoT5'"):
        family_of(str(models / "t5"), prompt="monoT5")
    with pytest.raises(UsageError, match=r"has no config\.json"):
        family_of(str(tmp_path))
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["ViTForImageClassification"]})
    )
    with pytest.raises(
        UsageError, match="is a ViTForImageClassification, which is not a re-ranker"
    ):
        family_of(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match=r"config\.json of the model .* cannot be read"):
        family_of(str(tmp_path))


def test_scores_of_t5_are_those_of_transformers(models: Path) -> None:
    model = transformers.T5ForConditionalGeneration.from_pretrained(models / "t5").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(models / "t5")
    for name, ending in (("monot5", " Relevant:"), ("rankt5", "")):
        expected = []
        for text in TEXTS:
            ids = tokenizer(f"Query: {QUERY} Document: {text}{ending}").input_ids
            ids = torch.tensor([[*ids, tokenizer.eos_token_id]])
            logits = model(input_ids=ids, decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
            if name == "rankt5":
                expected.append(logits[tokenizer.convert_tokens_to_ids("<extra_id_10>")].item())
                continue
            both = logits[tokenizer.convert_tokens_to_ids(["▁true", "▁false"])]
            expected.append(both.log_softmax(dim=0)[0].item())
        family = family_of(str(models / "t5"), prompt=name)
        ours = PairModel(str(models / "t5"), family, max_length=2000)
        found = ours.scores([ours.pairs.ids(QUERY, text) for text in TEXTS])
        assert found == pytest.approx(expected, abs=1e-5)
        assert len(set(found)) == len(TEXTS)


def reference_ids(kind: str, tokenizer: Any, text: str) -> list[int]:
    """The ids as the model's own card makes them."""

    def ids(part: str) -> list[int]:
        return list(tokenizer(part, add_special_tokens=False).input_ids)

    prompt = PAIR_PROMPTS[kind]
    if kind == "qwen3-reranker":
        task = "Given a web search query, retrieve relevant passages that answer the query"
        body = f"<Instruct>: {task}\n<Query>: {QUERY}\n<Document>: {text}"
        return ids(prompt.before[0]) + ids(body) + ids(prompt.after[0])
    if kind == "mxbai-rerank-v2":
        pair = ids(f"query: {QUERY}") + ids("\n") + ids(f"document: {text}")
        return ids(prompt.before[0]) + pair + [i for part in prompt.after for i in ids(part)]
    asked = prompt.instruction or ""
    pair = ids(f"A: {QUERY}") + ids("\n") + ids(f"B: {text}")
    return [tokenizer.bos_token_id, *pair, *ids("\n"), *ids(asked)]


@pytest.mark.parametrize("kind", CAUSAL_KINDS)
def test_scores_of_causal_models_are_those_of_transformers(models: Path, kind: str) -> None:
    folder = str(models / kind)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours = PairModel(folder, family_of(folder), max_length=2000)
    expected = []
    for text in TEXTS:
        ids = reference_ids(kind, tokenizer, text)
        assert ours.pairs.ids(QUERY, text) == ids
        logits = model(torch.tensor([ids])).logits[0, -1]
        yes, no = ("1", "0") if kind == "mxbai-rerank-v2" else ("yes", "no")
        if kind == "bge-reranker-gemma":
            expected.append(logits[tokenizer.convert_tokens_to_ids("Yes")].item())
        else:
            pair = logits[tokenizer.convert_tokens_to_ids([yes, no])]
            expected.append((pair[0] - pair[1]).item())
    found = ours.scores([ours.pairs.ids(QUERY, text) for text in TEXTS])
    assert found == pytest.approx(expected, abs=1e-5)
    assert len(set(found)) == len(TEXTS)


@pytest.mark.parametrize("kind", ["t5", *CAUSAL_KINDS])
def test_what_is_too_long_is_cut_before_the_question(models: Path, kind: str) -> None:
    folder = str(models / kind)
    limit = 600
    pairs = PairModel(folder, family_of(folder), max_length=limit).pairs
    short, long = pairs.ids(QUERY, "rome"), pairs.ids(QUERY, TEXTS[2] * 10)
    assert len(long) == limit
    assert long[-2:] == short[-2:]
    assert long[:6] == short[:6]
    overlong = pairs.ids(QUERY * 500, TEXTS[2] * 10)
    other = pairs.ids(QUERY * 500, "rome " * 500)
    assert len(overlong) <= limit
    assert overlong != other, "a long query leaves no room for the passage"
    with pytest.raises(UsageError, match="needs more than"):
        PairModel(folder, family_of(folder), max_length=3).pairs.ids(QUERY, "rome " * 9)


@pytest.mark.parametrize("kind", ["mxbai-rerank-v2", "bge-reranker-gemma"])
@pytest.mark.parametrize("times", [1, 300])
def test_some_cut_query_and_passage_alone(models: Path, kind: str, times: int) -> None:
    """As their reference code does: the words around a pair come on top of its limit."""
    family = family_of(str(models / kind))
    assert family.prompt is not None
    limit = 240
    family = replace(family, prompt=replace(family.prompt, max_length=limit))
    pairs = PairModel(str(models / kind), family).pairs
    query, passage = QUERY * times, TEXTS[2] * 10

    def ids(part: str) -> list[int]:
        return list(pairs.tokenizer(part, add_special_tokens=False).input_ids)

    prompt = PAIR_PROMPTS[kind]
    if kind == "bge-reranker-gemma":
        asked = ids(f"A: {query}")[: limit * 3 // 4]
        cut = [pairs.tokenizer.bos_token_id, *asked, *ids("\n"), *ids(f"B: {passage}")][:limit]
        theirs = [*cut, *ids("\n"), *ids(prompt.instruction or "")]
    else:
        asked = ids(f"query: {query}")[: limit * 3 // 4]
        cut = [*asked, *ids("\n"), *ids(f"document: {passage}")][:limit]
        theirs = ids(prompt.before[0]) + cut + [i for part in prompt.after for i in ids(part)]
    assert pairs.ids(query, passage) == theirs
    assert len(theirs) == pairs.max_length > limit


def test_an_instruction_is_shown(models: Path) -> None:
    for kind in CAUSAL_KINDS:
        folder = str(models / kind)
        prompt = PAIR_PROMPTS[kind].with_instruction("find gardens")
        family = family_of(folder)
        asked = PairModel(folder, replace(family, prompt=prompt)).pairs
        ids = asked.ids(QUERY, "rome")
        assert asked.tokenizer.decode(ids).count("find gardens") == 1
    with pytest.raises(UsageError, match="no place for an instruction"):
        pair_prompt_named("monot5").with_instruction("find gardens")


def test_a_tokenizer_without_an_answer_is_refused(models: Path) -> None:
    family = family_by("monoptt5", {"architectures": ["T5ForConditionalGeneration"]}, "monoptt5")
    with pytest.raises(UsageError, match="has no token '▁Não'"):
        PairModel(str(models / "t5"), family)
    family = family_of(str(models / "qwen3-reranker"))
    assert family.prompt is not None
    family = replace(family, prompt=replace(family.prompt, yes="quetzal"))
    with pytest.raises(UsageError, match="has no single token for 'quetzal'"):
        PairModel(str(models / "qwen3-reranker"), family)


def test_a_checkpoint_without_its_head_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_causal(tmp_path / "qwen3-reranker", "qwen3-reranker")
    weights = folder / "model.safetensors"
    held = load_file(weights)
    del held["lm_head.weight"]
    save_file(held, weights, {"format": "pt"})
    with pytest.raises(UsageError, match=r"lacks 1 of .* lm_head\.weight"):
        PairModel(str(folder), family_of(str(folder)))


def test_probabilities_near_one_still_differ() -> None:
    yes, no = torch.tensor([20.0, 25.0]), torch.tensor([0.0, 0.0])
    first, second = answer_score("log probability", yes, no).tolist()
    assert first < second < 0
