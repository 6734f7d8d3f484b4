"""Chat templates that refuse, drop or reshape what they are given, here and on servers."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faulty_server import Behaviour, Reply, answer, serving
from typer.testing import CliRunner

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.cli import app
from rankgen.generator.prompts.chat_format import merge_system
from rankgen.generator.prompts.profiles import PROFILES, ChatMessage
from rankgen.generator.prompts.tokenizer import TeacherTokenizer, load_tokenizer
from rankgen.generator.teachers.registry import make_prompter, make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

QUERY = Query("q", "what makes bread rise")
PASSAGES = (Document("a", "", "Yeast makes gas."), Document("b", "", "Salt slows yeast."))
MESSAGES = PROFILES["rank_llm-0.25"].render(QUERY, PASSAGES)
SYSTEM, USER = (message.content for message in MESSAGES)
BOTH = f"{SYSTEM}\n\n{USER}"

_TURN = "{{ '<' + m['role'] + '>' + m['content'] + '\n' }}"
_END = "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
REFUSES_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('no system turns here') }}{% endif %}" + _TURN + "{% endfor %}" + _END
)
ALTERNATES = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}" + _TURN + "{% endfor %}" + _END
)
DROPS_SYSTEM = (
    "{% for m in messages %}{% if m['role'] != 'system' %}" + _TURN + "{% endif %}{% endfor %}"
)
IN_PARTS = (
    "{% for m in messages %}<{{ m['role'] }}>{% for part in m['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '\n' }}{% endfor %}" + _END
)
PLAIN = "{% for m in messages %}" + _TURN + "{% endfor %}"


def fast_tokenizer(template: str) -> PreTrainedTokenizerFast:
    """A tokenizer that knows single bytes, puts <s> in front, and has this chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate(["<s>", "</s>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in ("<s>", "</s>")])
    # transformers does not annotate the constructor in every release.
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]  # see above
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = template
    return fast


def saved(template: str, folder: Path) -> str:
    fast_tokenizer(template).save_pretrained(folder)
    return str(folder)


def local_settings(tokenizer: str, **more: object) -> LabelSettings:
    return LabelSettings.model_validate(
        {"teacher": "listwise", "model": "m", "tokenizer": tokenizer, "api": "completions"}
        | {"base_url": "http://localhost:1", **more}
    )


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (PLAIN + _END, f"<system>{SYSTEM}\n<user>{USER}\n<assistant>"),
        (REFUSES_SYSTEM, f"<s><user>{BOTH}\n<assistant>"),
        (ALTERNATES, f"<user>{BOTH}\n<assistant>"),
        (DROPS_SYSTEM + _END, f"<user>{BOTH}\n<assistant>"),
        (IN_PARTS, f"<system>{SYSTEM}\n<user>{USER}\n<assistant>"),
        # No generation prompt: the assistant's header is taken from an answered conversation.
        (PLAIN, f"<system>{SYSTEM}\n<user>{USER}\n<assistant>"),
        (DROPS_SYSTEM, f"<user>{BOTH}\n<assistant>"),
    ],
    ids=["plain", "refuses", "alternates", "drops", "parts", "no start", "drops, no start"],
)
def test_every_text_reaches_the_model(template: str, prompt: str, tmp_path: Path) -> None:
    prompter = make_prompter(local_settings(saved(template, tmp_path)))
    built = prompter.build(QUERY, PASSAGES)
    assert built.text == prompt
    # The beginning token stands in front once, whether or not the template writes it.
    assert (built.token_ids[0], built.token_ids.count(0)) == (0, 1)
    assert prompter.system_turn == ("own" if "<system>" in prompt else "merged")


def test_a_template_that_ends_the_users_turn_needs_no_header() -> None:
    template = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %} {{ m['content'] }}</s>"
        "{% else %}[INST] {{ m['content'] }} [/INST]{% endif %}{% endfor %}"
    )
    tokenizer = TeacherTokenizer(fast_tokenizer(template), "own", "test")
    assert tokenizer.chat_text(MESSAGES) == f"[INST] {SYSTEM} [/INST][INST] {USER} [/INST]"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('this model only embeds') }}", "this model only embeds"),
        ("{{ messages[0]['tools']['x'] }}", "no attribute 'tools'"),
        ("Hello, who are you?", "leaves out or changes"),
        (PLAIN.replace("m['content']", "m['content'][:30]"), "leaves out or changes"),
        ("{% for m in messages %}", "endfor"),
    ],
)
def test_a_template_that_holds_no_prompt_is_one_sentence(
    template: str, reason: str, tmp_path: Path
) -> None:
    name = saved(template, tmp_path)
    with pytest.raises(UsageError, match=reason) as caught:
        load_tokenizer(name, None, "own")
    assert name in str(caught.value)
    assert "--tokenizer" in str(caught.value.hint)


def test_a_dry_run_says_it_too(tmp_path: Path) -> None:
    source = RunDirectory(tmp_path / "candidates")
    found = Candidates("q", ("a", "b"), (2.0, 1.0))
    write_shard(source.shard_path("candidates", 0, 1), "candidates", candidate_table([found]), "f")
    write_queries(source, [QUERY], "f")
    write_documents(source, PASSAGES, "f")
    command = ["label", "--candidates", str(source.root), "--teacher", "listwise", "--dry-run"]
    command += ["--model", "m", "--base-url", "http://localhost:1", "--api", "completions"]
    command += ["--out", str(tmp_path / "out"), "--tokenizer"]
    merged = CliRunner().invoke(app, [*command, saved(REFUSES_SYSTEM, tmp_path / "merged")])
    assert merged.exit_code == 0, merged.output
    none = saved("{{ raise_exception('this model only embeds') }}", tmp_path / "none")
    refused = CliRunner().invoke(app, [*command, none])
    assert refused.exit_code == 2
    assert "this model only embeds" in refused.stderr
    assert "unexpected" not in refused.stderr
    one = saved(
        "{% if 'yeast' in messages[-1]['content'] %}{{ 1 / 0 }}{% endif %}" + PLAIN,
        tmp_path / "one",
    )
    late = CliRunner().invoke(app, [*command, one])
    assert late.exit_code == 2
    assert "division by zero" in late.stderr


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (PLAIN + "{% if 'Yeast' in messages[-1]['content'] %}{{ 1 / 0 }}{% endif %}", "division"),
        (PLAIN.replace("m['content']", "m['content'].split('Salt')[0]"), "changes its words"),
    ],
)
def test_a_template_may_refuse_one_prompt(template: str, reason: str) -> None:
    tokenizer = TeacherTokenizer(fast_tokenizer(template), "own", "test")
    with pytest.raises(TeacherFailure, match=f"refuses the prompt: .*{reason}"):
        tokenizer.chat_text(MESSAGES)


@pytest.mark.parametrize(
    ("end", "opens"),
    [
        ("{{ '<assistant><think>\n' }}", True),
        ("{{ '<assistant>[THINK]' }}", True),
        ("{{ '<assistant><think>\n\n</think>\n\n' }}", False),
        ("{{ '<assistant>' }}", False),
    ],
)
def test_an_open_thought_at_the_end_is_known(end: str, opens: bool, tmp_path: Path) -> None:
    template = PLAIN + "{% if add_generation_prompt %}" + end + "{% endif %}"
    settings = local_settings(saved(template, tmp_path))
    assert make_prompter(settings).decoding.rules.begins_in_thought is opens
    chat = settings.model_copy(update={"api": "chat"})
    assert not make_prompter(chat).decoding.rules.begins_in_thought


def test_merging_keeps_every_word() -> None:
    assert merge_system(MESSAGES) == (ChatMessage("user", BOTH),)
    assert merge_system(MESSAGES[1:]) == MESSAGES[1:]


def chat_settings(url: str) -> LabelSettings:
    return LabelSettings.model_validate({"teacher": "listwise", "model": "m", "base_url": url})


def ranking(request: dict[str, Any]) -> Reply:
    content = str(request["messages"][-1]["content"])
    k = int(re.findall(r"with (\d+) passages", content)[0])
    return answer(" > ".join(f"[{i}]" for i in range(k, 0, -1)))


def has_system(request: dict[str, Any]) -> bool:
    return "system" in {turn["role"] for turn in request["messages"]}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "System role not supported"),
        (422, "Template error"),
        (500, "Conversation roles must alternate user/assistant"),
    ],
)
def test_a_server_without_a_system_turn_gets_one_turn(status: int, words: str) -> None:
    def behave(request: dict[str, Any], seen: int) -> Reply:
        if has_system(request):
            return Reply(status, f'{{"message": "{words}"}}')
        return ranking(request)

    pytest.importorskip("openai")
    with serving(behave) as server:
        teacher = make_teacher(chat_settings(server.url))
        result = asyncio.run(teacher.rank_window(QUERY, PASSAGES))
        assert [message["role"] for message in server.requests[-1][1]["messages"]] == ["user"]
    assert server.requests[-1][1]["messages"][0]["content"] == BOTH
    assert result.permutation == (1, 0)
    assert teacher.identity()["system_turn"] == teacher.facts()["system_turn"] == "merged"


def _busy(request: dict[str, Any], seen: int) -> Reply:
    return Reply(500, "Error code 500: 3 of 7 workers") if seen == 1 else ranking(request)


def _slow_down(request: dict[str, Any], seen: int) -> Reply:
    return Reply(429, "{}") if seen == 1 else ranking(request)


def _reset(request: dict[str, Any], seen: int) -> Reply:
    return Reply(body=None) if seen == 1 else ranking(request)


@pytest.mark.parametrize("behave", [_busy, _slow_down, _reset, lambda r, s: ranking(r)])
def test_other_faults_at_the_start_merge_nothing(behave: Behaviour) -> None:
    pytest.importorskip("openai")
    with serving(behave) as server:
        teacher = make_teacher(chat_settings(server.url))
        assert len(server.requests) == 1
    assert teacher.identity()["system_turn"] == "own"


def test_a_server_that_takes_no_prompt_is_one_sentence() -> None:
    pytest.importorskip("openai")
    refusal = Reply(400, '{"message": "the model has no chat template"}')
    with (
        serving(lambda request, seen: refusal) as server,
        pytest.raises(UsageError, match="no chat template") as caught,
    ):
        make_teacher(chat_settings(server.url))
    assert len(server.requests) == 2
    assert "--api completions" in str(caught.value.hint)
