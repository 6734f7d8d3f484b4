"""Templates rendered by us and by rank_llm's own handlers: the same messages, byte for byte."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rankgen.generator.prompts.sources import peer_templates
from rankgen.generator.prompts.template_checks import parse_template
from rankgen.generator.prompts.templates import PromptTemplate
from rankgen.manifests.records import Document, Query

# The two packages' own `__init__` imports every model of rank_llm, and one of them fails under
# transformers 5; the handlers need none.
PEER = """
import importlib.util, json, sys, types
from pathlib import Path
root = Path(importlib.util.find_spec("rank_llm").origin).parent
for name in ("rerank", "rerank.listwise"):
    package = types.ModuleType(f"rank_llm.{name}")
    package.__path__ = [str(root.joinpath(*name.split(".")))]
    sys.modules[f"rank_llm.{name}"] = package
import yaml
from rank_llm.data import Candidate, Query, Result
from rank_llm.rerank.listwise.multiturn_listwise_inference_handler import (
    MultiTurnListwiseInferenceHandler)
from rank_llm.rerank.listwise.singleturn_listwise_inference_handler import (
    SingleTurnListwiseInferenceHandler)
handlers = {"singleturn_listwise": SingleTurnListwiseInferenceHandler,
            "multiturn_listwise": MultiTurnListwiseInferenceHandler}
told = json.load(open(sys.argv[1]))
answers = []
for template in told["templates"]:
    handler = handlers[template["values"]["method"]](template["values"])
    for case in told["cases"]:
        candidates = [Candidate(docid=str(i), score=s, doc={"title": t, "text": x})
                      for i, (t, x, s) in enumerate(case["documents"])]
        result = Result(query=Query(text=case["query"], qid="1"), candidates=candidates)
        answers.append(handler.generate_prompt(
            result, rank_start=0, rank_end=len(candidates),
            max_length=300 * (20 / len(candidates)), use_alpha=template["use_alpha"],
            num_fewshot_examples=len(template["few_shot"]),
            fewshot_examples=template["few_shot"]))
json.dump(answers, open(sys.argv[2], "w"))
"""
TRICKY = [
    "plain words",
    "refers to [12] and [3] but not [x] or [ 4 ] or [[5]]",
    "AT&amp;T &lt;b&gt; tags &eacute; <i>x</i>",
    "mojibake \u00c3\u00a9t\u00c3\u00a9 and \u00c3\xa0 la carte",
    "  padded\tand\nbroken\r\nacross\u2028lines\x85 here  ",
    'quotes "x" \u201cy\u201d, literal </s> {braces} {num} {0} %s \\n',
    "",
    "word " * 4000,
    "\u6f22\u5b57 \U0001f600 \ufb01ne \x1b[31mred",
]
QUERIES = ["what is [3] rank", "caf\u00e9 &amp; co {num}", "  spaced  ", "a\u2028b\nc \u00c3\u00a9"]
CONVERSATIONS: list[dict[str, object]] = [
    {
        "conversations": [
            {"role": "user", "value": "Rank {these}: [1] a [2] b."},
            {"role": "assistant", "value": "[2] > [1]"},
        ]
    }
]
# Shapes that none of the shipped templates has.
MADE_UP: list[dict[str, object]] = [
    {
        "method": "multiturn_listwise",
        "system_message": "Be {brief}.",
        "prefix_user": "{num} passages for {query}",
        "prefix_assistant": "Ready for {num}.",
        "body_user": "<{rank}> {candidate} {{x}}\n",
        "suffix_user": "Rank for {query}.",
    },
    {
        "method": "multiturn_listwise",
        "body_user": "{candidate} is [{rank}]",
        "body_assistant": "Seen [{rank}].",
        "suffix_user": "Now {query}, {num}.",
    },
    {"method": "singleturn_listwise", "prefix": "{query}\n", "body": "[{rank}] {candidate}\n"},
]
REGEXES = {
    "output_validation_regex": r"^\[\d+\]( > \[\d+\])*$",
    "output_extraction_regex": r"\[(\d+)\]",
}


def _listwise() -> dict[str, dict[str, object]]:
    import yaml

    found = {}
    for name, file in peer_templates().items():
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        if "listwise" in values["method"]:
            found[name] = values
    return found


def _asked() -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for number, query in enumerate(QUERIES):
        texts = TRICKY[number:] + TRICKY[:number]
        documents = [["", text, 10.0 / (i + 3)] for i, text in enumerate(texts)]
        titled = [["A &amp; B [1]", "titled [2]", -1.23456], *documents]
        cases.append({"query": query, "documents": titled})
        cases.append({"query": query, "documents": titled[: number + 1]})
        cases.append({"query": query, "documents": (titled * 3)[:20]})
    return cases


def _ours(template: PromptTemplate, case: dict[str, Any]) -> list[dict[str, str]]:
    rows: list[tuple[str, str, float]] = case["documents"]
    documents = [Document(str(i), title, text) for i, (title, text, _) in enumerate(rows)]
    messages = template.messages(
        template.query_text(Query("1", str(case["query"]))),
        template.passages(documents),
        [score for _, _, score in rows],
    )
    return [{"role": message.role, "content": message.content} for message in messages]


def test_every_listwise_template_is_rendered_as_rank_llm_renders_it(tmp_path: Path) -> None:
    if importlib.util.find_spec("rank_llm") is None:
        pytest.skip("rank_llm is not installed: templates were not compared with it")
    shipped = _listwise()
    assert shipped.keys() >= {"rank_zephyr", "rank_gpt", "rank_lrl", "rank_gpt_apeer"}
    all_values: list[dict[str, object]] = [
        *shipped.values(),
        *({**one, **REGEXES} for one in MADE_UP),
    ]
    none: list[dict[str, object]] = []
    few_shot = [none] * len(all_values) + [CONVERSATIONS] * 2
    all_values += [shipped["rank_zephyr"], shipped["rank_gpt"]]
    ours = [
        parse_template({**values, **({"few_shot": shots} if shots else {})}, "x", "x")
        for values, shots in zip(all_values, few_shot, strict=True)
    ]
    cases = _asked()
    told = {
        "cases": cases,
        "templates": [
            {"values": values, "few_shot": shots, "use_alpha": template.form.uses_letters}
            for values, shots, template in zip(all_values, few_shot, ours, strict=True)
        ],
    }
    asked, answered = tmp_path / "asked.json", tmp_path / "answered.json"
    asked.write_text(json.dumps(told))
    done = subprocess.run(
        [sys.executable, "-c", PEER, str(asked), str(answered)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = iter(json.loads(answered.read_text()))
    for template in ours:
        for case in cases:
            assert _ours(template, case) == next(theirs)
    assert next(theirs, None) is None


def test_the_shipped_templates_name_their_formats() -> None:
    pytest.importorskip("rank_llm")
    forms = {name: parse_template(v, name, name).form.name for name, v in _listwise().items()}
    apart = {"rank_zephyr_alpha": "letters", "rank_lrl": "passages", "rank_gpt_apeer": "rankstart"}
    assert forms == {name: apart.get(name, "brackets") for name in forms}
    assert forms.keys() > apart.keys()


def test_reading_templates_imports_nothing_of_rank_llm() -> None:
    pytest.importorskip("rank_llm")
    code = (
        "import sys; from rankgen.generator.prompts.sources import frozen_prompt;"
        "frozen_prompt('rank-llm:rank_gpt');"
        "print(sorted(m for m in sys.modules if m.startswith(('rank_llm.', 'torch', 'ray'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
