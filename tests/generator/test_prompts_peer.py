"""Our prompts against the installed rank_llm's own code: its template, its handler, its loop."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankgen.generator.prompts.chat_format import zephyr_text
from rankgen.generator.prompts.profiles import PROFILES
from rankgen.generator.prompts.tokenizer import BUNDLED, load_tokenizer
from rankgen.manifests.records import Document, Query

# rank_llm.rerank does not import under transformers 5 because of this one module; and the peer's
# model is never loaded: only `create_prompt`, which is under test, runs.
PEER = """
import json, os, sys, types
os.environ.setdefault("OPENAI_API_KEY", "none")
sys.modules["rank_llm.rerank.listwise.rank_fid"] = types.SimpleNamespace(
    RankFiDDistill=None, RankFiDScore=None)
import yaml
from importlib.resources import files
from rank_llm.data import Candidate, Query, Result
from rank_llm.rerank.listwise.rank_listwise_os_llm import RankListwiseOSLLM
from rank_llm.rerank.listwise.singleturn_listwise_inference_handler import (
    SingleTurnListwiseInferenceHandler)
from rankgen.generator.prompts.rankzephyr_tokenizer import rankzephyr_tokenizer

template = files("rank_llm.rerank.prompt_templates") / "rank_zephyr_template.yaml"
peer = RankListwiseOSLLM.__new__(RankListwiseOSLLM)
peer._tokenizer = rankzephyr_tokenizer()
peer._tokenizer.chat_template = (
    "{% for message in messages %}\\n{% if message['role'] == 'user' %}\\n{{ '<|user|>\\n' + "
    "message['content'] + eos_token }}\\n{% elif message['role'] == 'system' %}\\n"
    "{{ '<|system|>\\n' + message['content'] + eos_token }}\\n{% elif message['role'] == "
    "'assistant' %}\\n{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\\n{% endif %}\\n"
    "{% if loop.last and add_generation_prompt %}\\n{{ '<|assistant|>' }}\\n{% endif %}\\n"
    "{% endfor %}")
peer._inference_handler = SingleTurnListwiseInferenceHandler(yaml.safe_load(template.read_text()))
peer._use_alpha = False
peer._num_few_shot_examples = 0
peer._examples = []
peer._is_thinking = False
peer._context_size = 4096
peer._window_size = 20
peer._output_token_estimate = None
peer._tokenizer.padding_side = "left"
answers = []
for case in json.load(open(sys.argv[1])):
    candidates = [Candidate(docid=str(i), score=0.0, doc={"title": t, "text": x})
                  for i, (t, x) in enumerate(case["documents"])]
    result = Result(query=Query(text=case["query"], qid="1"), candidates=candidates)
    prompt, tokens = peer.create_prompt(result, 0, len(candidates))
    answers.append([prompt, peer._tokenizer.encode(prompt),
                    peer.num_output_tokens(len(candidates))])
json.dump(answers, open(sys.argv[2], "w"))
"""

TRICKY = [
    "plain words",
    "refers to [12] and [3] but not [x] or [ 4 ]",
    "AT&amp;T &lt;b&gt; tags &eacute; <i>x</i>",
    "mojibake Ã©tÃ© â\x80\x9cquotedâ\x80\x9d and Ã\xa0 la carte",
    "  padded\tand\nbroken\r\nacross\u2028lines\x85 here  ",
    "control \x1b[31mred\x1b[0m \x00 chars \ufeff",
    "ligatures \ufb01ne, fullwidth \uff21\uff22\uff11 [\uff11\uff12], \u201cx\u201d \u2018y\u2019",
    "e\u0301 composed differently, 漢字 かな, emoji 😀 \U0001d4b3",
    "literal </s> and <s> tokens {braces} {num} {0} %s",
    "",
    "word " * 700,
    "&amp;amp; nested &#39; [&#49;]",
]
QUERIES = ["what is [3] rank", "caf\u00e9 Ã© &amp; co {num}", "  spaced  ", "a\u2028b\nc"]


def _cases() -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for number, query in enumerate(QUERIES):
        documents = [["", text] for text in TRICKY] + [["A &amp; B [1]", "titled [2]"]]
        cases.append({"query": query, "documents": documents[number:] + documents[:number]})
        cases.append({"query": query, "documents": documents[: number + 1]})
    return cases


def _assert_same(cases: list[dict[str, object]], folder: Path) -> None:
    if importlib.util.find_spec("rank_llm") is None:
        pytest.skip("rank_llm is not installed: prompts were not compared with it")
    asked, answered = folder / "cases.json", folder / "answers.json"
    asked.write_text(json.dumps(cases))
    environment = os.environ | {"VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, "-c", PEER, str(asked), str(answered)],
        capture_output=True,
        text=True,
        timeout=240,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    tokenizer = load_tokenizer(BUNDLED, None, "zephyr")
    profile = PROFILES["rank_llm-0.25"]
    for case, (text, ids, output_tokens) in zip(
        cases, json.loads(answered.read_text()), strict=True
    ):
        documents = [Document(str(i), t, x) for i, (t, x) in enumerate(case["documents"])]
        ours = zephyr_text(profile.render(Query("1", str(case["query"])), documents))
        assert ours == text
        assert tokenizer.encode(ours) == ids
        assert tokenizer.permutation_tokens(len(documents)) == output_tokens


def test_tricky_texts_come_out_as_rank_llm_writes_them(tmp_path: Path) -> None:
    _assert_same(_cases(), tmp_path)


@pytest.mark.data
def test_real_texts_come_out_as_rank_llm_writes_them(tmp_path: Path, test_data: Path) -> None:
    cases: list[dict[str, object]] = []
    for name, documents_wanted in (("msmarco-dl19", 1200), ("scifact", 200)):
        folder = test_data / name
        corpus = [json.loads(x) for x in _lines(folder / "corpus.jsonl")[:documents_wanted]]
        queries = [json.loads(x) for x in _lines(folder / "queries.jsonl")]
        size = 20 if name.startswith("msmarco") else 5
        for number, start in enumerate(range(0, len(corpus), size)):
            chosen = corpus[start : start + size]
            cases.append(
                {
                    "query": queries[number % len(queries)]["text"],
                    "documents": [[d.get("title", ""), d["text"]] for d in chosen],
                }
            )
    _assert_same(cases, tmp_path)


def _lines(path: Path) -> list[str]:
    return [x for x in path.read_text(encoding="utf-8").split("\n") if x]
