"""Prompts from templates: what is refused and how, and what reaches the model and comes back."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from faulty_server import Reply, answer, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from test_begun_before import BEFORE
from test_chat_templates import ALTERNATES, DROPS_SYSTEM, PLAIN, REFUSES_SYSTEM, saved
from typer.testing import CliRunner

from rankgen.generator.answers.outcomes import TeacherFailure, WindowOutcome
from rankgen.generator.cli import app
from rankgen.generator.jobs.export.job import _profile
from rankgen.generator.jobs.export.settings import ExportSettings
from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.prompts.assembly import LineAssembler
from rankgen.generator.prompts.budget import PromptBuilder
from rankgen.generator.prompts.chat_format import zephyr_text
from rankgen.generator.prompts.sources import frozen_prompt, peer_templates, prompt_of
from rankgen.generator.prompts.template_checks import parse_template
from rankgen.generator.prompts.tokenizer import BUNDLED, load_tokenizer
from rankgen.generator.teachers.registry import make_prompter, make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.plan import open_plan, read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard
from rankgen.manifests.validation import validated

QUERY = Query("q", "what makes bread rise")
PASSAGES = (Document("a", "", "Yeast makes gas."), Document("b", "", "Salt slows yeast."))
MINE = """
method: singleturn_listwise
system_message: You sort.
prefix: "Sort for {query}.\\n"
body: "[{rank}] {candidate}\\n"
suffix: "Write e.g. {{2 > 1}}."
answer: numbers
"""
GOOD = {
    "method": "singleturn_listwise",
    "prefix": "{query}\n",
    "body": "[{rank}] {candidate}\n",
    "answer": "brackets",
}
TURNS = {
    "method": "multiturn_listwise",
    "prefix_user": "{query}",
    "prefix_assistant": "Yes.",
    "body_user": "[{rank}] {candidate}",
    "body_assistant": "Got [{rank}].",
    "suffix_user": "Rank.",
    "answer": "brackets",
}


def without(values: dict[str, str], *keys: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key not in keys}


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ("words", "has no keys", "method:"),
        (without(GOOD, "method"), "no listwise template: it has no method", "singleturn_listwise"),
        (GOOD | {"method": "pointwise"}, "its method is 'pointwise'", "singleturn_listwise"),
        (GOOD | {"bodi": "x"}, "no key 'bodi'", "'body'"),
        (GOOD | {"body_user": "x"}, "no key 'body_user' in a singleturn", "'body'"),
        (GOOD | {"body": "[{rank}]"}, "drops the passage: the key 'body' lacks {candidate}", "add"),
        (without(GOOD, "body"), "drops the passage", "add {candidate} to body"),
        (GOOD | {"body": "{candidate}"}, "gives the passages no identifiers", "add {rank}"),
        (without(GOOD, "prefix"), "never shows the query", "prefix or suffix"),
        (GOOD | {"prefix": "{query} {docs}"}, "'prefix' has the unknown placeholder {docs}", "num"),
        (GOOD | {"prefix": "{query} {}"}, "'prefix' has the unknown placeholder {}", "{{ and }}"),
        (GOOD | {"prefix": "{query.text}"}, "the unknown placeholder {query.text}", "{query}"),
        (GOOD | {"prefix": "{query!r}"}, "formats its placeholder {query}", "only {query}"),
        (GOOD | {"prefix": "{query} }"}, "'prefix' has a brace of its own", "{{ and }}"),
        (GOOD | {"prefix": 7}, "'prefix' holds no text", "give prefix a text, or leave it out"),
        (without(GOOD, "answer"), "does not say how the ranking is written", "brackets, ties"),
        (GOOD | {"answer": "bracket"}, "no answer format 'bracket'", "'brackets'"),
        (
            without(GOOD, "answer") | {"output_validation_regex": 'r"^(["'},
            "'output_validation_regex' is no regular expression",
            "add answer: NAME",
        ),
        (
            without(GOOD, "answer") | {"output_validation_regex": "^yes$"},
            "fits no format of answers, or several",
            "add answer: NAME",
        ),
        (
            without(GOOD, "answer") | {"output_validation_regex": ".*"},
            "fits no format of answers, or several",
            "add answer: NAME",
        ),
        (without(TURNS, "suffix_user"), "ends with the assistant's turn", "add suffix_user"),
        (without(TURNS, "prefix_assistant"), "two turns of the same role", "both prefix_user"),
        (
            without(TURNS, "body_assistant", "prefix_assistant", "prefix_user")
            | {"suffix_user": "{query}"},
            "the assistant has no turn",
            "singleturn_listwise",
        ),
        (GOOD | {"few_shot": ["x"]}, "'few_shot' is no list of conversations", "conversations"),
        (
            GOOD | {"few_shot": [{"conversations": [{"role": "user", "value": "x"}]}]},
            "'few_shot' ends with a question",
            "add",
        ),
    ],
)
def test_a_faulty_template_is_one_sentence(values: object, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_template(values, "mine.yaml", "mine.yaml")
    assert "mine.yaml" in caught.value.message
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ("rank_llm-0.2", "no prompt 'rank_llm-0.2'", "rank_llm-0.25"),
        ("none.yaml", "none.yaml cannot be read: No such file", "--prompt"),
        ("rank-llm:rank_gtp", "no template 'rank_gtp'", "rank_gpt"),
        ("rank-llm:monot5", "its method is 'pointwise'", "singleturn_listwise"),
        ("rank-llm:insert_rank", "shows first-stage scores", "{score}"),
        ("broken.yaml", "broken.yaml is no YAML: line 3: ", "check the file"),
        ("twice.yaml", "twice.yaml: the key 'prefix' stands there twice", "one of them"),
        ("joined.yaml", "passages run into each other: the key 'body' neither", "{candidate}\\n"),
    ],
)
def test_a_prompt_that_is_none_is_one_sentence(
    asked: str, message: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rank_llm")
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text("method: x\nbody: [{\n")
    Path("twice.yaml").write_text(MINE + "prefix: '{query}'\n")
    Path("joined.yaml").write_text(MINE.replace("{candidate}\\n", "{candidate}"))
    with pytest.raises(UsageError) as caught:
        frozen_prompt(asked)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_a_frozen_prompt_needs_no_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    frozen = frozen_prompt(str(file))
    file.unlink()
    assert frozen_prompt(frozen) == frozen
    prompt = prompt_of(frozen)
    assert (prompt.name, prompt.form.name, prompt.examples) == ("mine.yaml", "numbers", ((2, 1),))
    system, user = prompt.render(QUERY, PASSAGES)
    assert (system.role, system.content) == ("system", "You sort.")
    assert user.content == (
        "Sort for what makes bread rise.\n[1] Yeast makes gas.\n[2] Salt slows yeast.\n"
        "Write e.g. {2 > 1}."
    )


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    def digest(text: str, name: str = "mine.yaml") -> str:
        (tmp_path / name).write_text(text)
        return prompt_of(frozen_prompt(str(tmp_path / name))).sha256

    base = digest(MINE)
    assert digest("# a remark\n" + MINE, "other.yaml") == base
    shot = "few_shot: [{conversations: [{role: user, value: a}, {role: assistant, value: b}]}]"
    for changed in (
        MINE.replace("You sort.", "You rank."),
        MINE.replace("Write e.g.", "Write  e.g."),
        MINE.replace("numbers", "brackets"),
        MINE + shot,
    ):
        assert digest(changed) != base


def listwise(**more: object) -> LabelSettings:
    return LabelSettings.model_validate(
        {"teacher": "listwise", "model": "m", "base_url": "http://localhost:1", **more}
    )


def candidates(folder: Path) -> RunDirectory:
    source = RunDirectory(folder)
    found = Candidates("q", ("a", "b"), (2.0, 1.0))
    write_shard(source.shard_path("candidates", 0, 1), "candidates", candidate_table([found]), "f")
    write_queries(source, [QUERY], "f")
    write_documents(source, PASSAGES, "f")
    return source


def test_a_run_goes_on_only_with_the_same_prompt(tmp_path: Path) -> None:
    source, run = candidates(tmp_path / "candidates"), RunDirectory(tmp_path / "run")
    file = tmp_path / "mine.yaml"

    def planned(prompt: str) -> None:
        teacher = listwise(prompt=prompt).resolved()
        told = LabelRunSettings(candidates=source.root, teacher=teacher, out=run.root)
        plan, queries = plan_labels(told)
        open_plan(run, plan, queries)
        (run.journal_of(0)).mkdir(parents=True, exist_ok=True)
        (run.journal_of(0) / "writer.jsonl").write_bytes(b"")
        assert plan.recipe["prompt_profile"] == "mine.yaml"
        assert plan.recipe["answer_format"] == "numbers"
        kept = plan.settings["teacher"]
        assert isinstance(kept, dict)
        assert "You sort." in str(kept["prompt"])

    file.write_text(MINE)
    planned(str(file))
    moved = tmp_path / "elsewhere" / "mine.yaml"
    moved.parent.mkdir()
    moved.write_text(MINE)
    planned(str(moved))
    moved.write_text(MINE.replace("Sort for", "Rank for"))
    with pytest.raises(UsageError, match="prompt_profile_sha256"):
        planned(str(moved))


def test_a_template_is_no_wording_for_training_prompts(tmp_path: Path) -> None:
    source, run = candidates(tmp_path / "candidates"), RunDirectory(tmp_path / "run")
    (tmp_path / "mine.yaml").write_text(MINE)
    teacher = listwise(prompt=str(tmp_path / "mine.yaml")).resolved()
    told = LabelRunSettings(candidates=source.root, teacher=teacher, out=run.root)
    open_plan(run, *plan_labels(told))
    with pytest.raises(UsageError, match=r"asked by the template mine\.yaml") as caught:
        _profile(run, ExportSettings.model_construct(prompt_profile=None))
    assert "--prompt-profile rank_llm-0.25" in str(caught.value.hint)


def test_plans_of_before_are_read() -> None:
    plan = read_plan(RunDirectory(BEFORE / "labels"))
    settings = validated(LabelRunSettings, plan.settings, "the plan")
    assert "prompt_profile" in str(plan.settings)
    assert settings.teacher.prompt is None


def test_what_is_not_used_is_not_in_the_identity() -> None:
    plain = listwise().identity()
    assert plain["prompt_profile"] == "rank_llm-0.25"
    assert not {"prompt", "thinking_tokens", "answer_format"} & plain.keys()
    prompter = make_prompter(listwise())
    assert not {"thinking_tokens", "answer_format"} & prompter.identity().keys()
    thinks = listwise(thinking_tokens=512, prompt="rank-llm:rank_lrl")
    assert thinks.identity()["thinking_tokens"] == 512
    told = make_prompter(thinks).identity()
    assert (told["thinking_tokens"], told["answer_format"]) == (512, "passages")
    assert LabelSettings().identity()["prompt_profile"] is None


def test_the_former_name_of_the_setting_is_understood() -> None:
    old = {"teacher": {"teacher": "rankzephyr", "prompt_profile": "rank_llm-0.12"}}
    values = {**old, "candidates": "c", "out": "o"}
    settings = validated(LabelRunSettings, values, "the plan of o")
    assert settings.teacher.prompt == "rank_llm-0.12"
    with pytest.raises(UsageError, match=r"no setting 'teacher\.prompt_profile'"):
        validated(
            LabelRunSettings,
            {**values, "teacher": {**old["teacher"], "prompt": "rank_llm-0.25"}},
            "the plan of o",
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"teacher": "rankzephyr", "prompt": "rank-llm:rank_lrl"}, "answers [2] > [1] > [3]"),
        ({"teacher": "rankzephyr", "thinking_tokens": 9}, "does not think"),
        ({"prompt": "rank-llm:rank_zephyr_alpha", "window": 27}, "letters for 26 passages"),
        ({"teacher": "minilm", "prompt": "rank_llm-0.25"}, "no use for --prompt"),
        ({"teacher": "minilm", "thinking_tokens": 9}, "no use for --thinking-tokens"),
    ],
)
def test_what_a_prompt_contradicts_is_refused(settings: dict[str, object], message: str) -> None:
    pytest.importorskip("rank_llm")
    address = {"base_url": None, "model": None} if settings.get("teacher") == "minilm" else {}
    with pytest.raises(UsageError, match=re.escape(message)):
        listwise(**{**address, **settings}).resolved()


def peer_names() -> list[str]:
    pytest.importorskip("rank_llm")
    shown = ("rank_gpt", "rank_lrl", "rank_gpt_apeer", "rank_zephyr_alpha", "qwen_thinking")
    assert set(shown) <= peer_templates().keys()
    return [f"rank-llm:{name}" for name in shown]


_TEXT = st.text(
    alphabet=st.one_of(st.sampled_from(" \n[]()12</s>|{}é漢"), st.characters(codec="utf-8")),
    max_size=50,
)


@settings(max_examples=60)
@given(query=_TEXT, passages=st.lists(_TEXT, min_size=1, max_size=5))
def test_templates_are_assembled_and_cut_as_profiles_are(query: str, passages: list[str]) -> None:
    tokenizer = load_tokenizer(BUNDLED, None, "zephyr")
    assembler = LineAssembler(tokenizer)
    documents = [Document(str(i), "", text * 20) for i, text in enumerate(passages)]
    for name in peer_names():
        prompt = prompt_of(frozen_prompt(name))
        text = zephyr_text(prompt.render(Query("q", query), documents))
        assert assembler._assembled(text) == tokenizer.encode(text)
        built = PromptBuilder(prompt, tokenizer, 900).build(Query("q", query), documents, 50)
        assert len(built.token_ids) <= 850
        assert list(built.token_ids) == tokenizer.encode(built.text)
        if not built.cut:
            assert built.text == text


@pytest.mark.parametrize("chat", [PLAIN, REFUSES_SYSTEM, ALTERNATES, DROPS_SYSTEM])
def test_every_turn_reaches_a_model_without_a_system_turn(chat: str, tmp_path: Path) -> None:
    tokenizer = saved(chat, tmp_path)
    for name in peer_names():
        told = listwise(prompt=name, tokenizer=tokenizer, api="completions", context_size=9000)
        text = make_prompter(told).build(QUERY, PASSAGES).text
        for message in prompt_of(frozen_prompt(name)).render(QUERY, PASSAGES):
            assert message.content.strip() in text
            assert message.role == "system" or f"<{message.role}>" in text


def test_a_chat_template_that_takes_no_conversation_is_refused_at_the_start(tmp_path: Path) -> None:
    single = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}"
        "{{ raise_exception('one question only') }}{% endif %}"
        "{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
    )
    told = {"tokenizer": saved(single, tmp_path), "api": "completions", "context_size": 9000}
    make_prompter(listwise(prompt="rank_llm-0.25", **told))
    with pytest.raises(UsageError, match="one question only") as caught:
        make_prompter(listwise(prompt=peer_names()[0], **told))
    assert "--prompt" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "text", "roles"),
    [
        ("rank_gpt", "[2] > [1]", ["system", *["user", "assistant"] * 3, "user"]),
        ("rank_zephyr_alpha", "```\n[B] > [A]\n```", ["system", "user"]),
        ("rank_lrl", "[PASSAGE2, PASSAGE1]", ["user"]),
        ("rank_gpt_apeer", "[rankstart] [2] > [1] [rankend]", ["system", "user"]),
    ],
)
def test_a_server_gets_the_turns_and_is_read_as_asked(
    name: str, text: str, roles: list[str]
) -> None:
    pytest.importorskip("openai")
    pytest.importorskip("rank_llm")
    with serving(lambda request, seen: answer(text)) as server:
        teacher = make_teacher(listwise(prompt=f"rank-llm:{name}", base_url=server.url))
        result = asyncio.run(teacher.rank_window(QUERY, PASSAGES))
        sent = server.requests[-1][1]["messages"]
    assert [turn["role"] for turn in sent] == roles
    assert (result.permutation, result.outcome) == ((1, 0), WindowOutcome.OK)


def test_a_thought_has_its_budget_beside_the_answer() -> None:
    pytest.importorskip("openai")

    def behave(request: dict[str, object], seen: int) -> Reply:
        return answer("<think>[1] > [2]?</think>[2] > [1]")

    with serving(behave) as server:
        plain = make_prompter(listwise(base_url=server.url)).output_budget(2)
        teacher = make_teacher(listwise(base_url=server.url, thinking_tokens=700))
        result = asyncio.run(teacher.rank_window(QUERY, PASSAGES))
        assert server.requests[-1][1]["max_tokens"] == plain + 700
    assert result.outcome is WindowOutcome.OK


@pytest.mark.parametrize("text", ["<think>[2] > [1] seems", "[2] >", ""])
def test_a_thought_that_spends_its_budget_fails_the_window(text: str) -> None:
    pytest.importorskip("openai")
    with serving(lambda request, seen: answer(text, "length")) as server:
        teacher = make_teacher(listwise(base_url=server.url, thinking_tokens=700))
        with pytest.raises(TeacherFailure, match="within its thought") as caught:
            asyncio.run(teacher.rank_window(QUERY, PASSAGES))
    assert {call.outcome for call in caught.value.calls} == {WindowOutcome.TRUNCATED}


def test_a_dry_run_says_how_answers_are_read(tmp_path: Path) -> None:
    pytest.importorskip("rank_llm")
    source = candidates(tmp_path / "candidates")
    command = ["label", "--candidates", str(source.root), "--teacher", "listwise", "--dry-run"]
    command += ["--model", "m", "--base-url", "http://localhost:1", "--out", str(tmp_path / "out")]
    command += ["--prompt", "rank-llm:rank_zephyr_alpha"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    assert "[B] > [A] > [C]   (asked for by the prompt rank-llm:rank_zephyr_alpha)" in told.stdout
    values = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert values["answers"] == "[B] > [A] > [C]"
