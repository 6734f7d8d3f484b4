"""vLLM itself, with a tiny random Mistral made on the spot: plumbing, lengths, ids, death."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")

KV_GIB = 2
# In a process of its own: vLLM starts further processes and keeps global state.
SCRIPT = """
import asyncio, json, os, signal, sys
import psutil
from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.vllm.arguments import VllmSettings
from rankgen.generator.engines.vllm.engine import VllmEngine
from rankgen.generator.answers.outcomes import EngineDead, TeacherFailure
from rankgen.generator.prompts.tokenizer import load_tokenizer


def cached_tokens():
    from vllm.v1.metrics.reader import get_metrics_snapshot

    return sum(m.value for m in get_metrics_snapshot() if m.name == "vllm:prefix_cache_hits")


async def main(folder):
    tokenizer = load_tokenizer(folder, None, "zephyr")
    texts = ["a b c", "[1] > [2]", "some other prompt " * 30]
    prompts = [EnginePrompt((), tuple(tokenizer.encode(text))) for text in texts]
    settings = dict(model=folder, context_size=256, dtype="float32", force_length=True)
    engine = VllmEngine(VllmSettings(**settings, engine_args={"max_num_seqs": 3}))
    asked = asyncio.gather(*(engine.generate(prompt, 19) for prompt in prompts))
    gauges = []
    while not asked.done():
        gauges.append(engine.gauges())
        await asyncio.sleep(0.005)
    answers = await asked
    found = {"gauges": [*gauges, engine.gauges()],
             "facts": dict(engine.facts()), "prompts": [p.token_ids for p in prompts],
             "answers": [[a.text, a.output_ids, a.finish_reason, a.usage.prompt, a.usage.output]
                         for a in answers],
             "decoded": [tokenizer.decode(a.output_ids) for a in answers]}
    held = engine.capacity()
    found["capacity"] = [held.kv_tokens, held.requests, held.context_size]
    # Whole blocks are kept, on a CPU of 128 tokens.
    longest = EnginePrompt((), (prompts[2].token_ids * 3)[:200])
    assert engine.keeps_prefixes
    before, found["warmed"] = cached_tokens(), []
    for warms in (False, True):
        assert await engine._llm.reset_prefix_cache()
        if warms:
            await engine.warm(longest.token_ids[:150])
        answer = await engine.generate(longest, 19)
        found["warmed"].append([answer.output_ids, answer.usage.prompt, cached_tokens() - before])
    try:
        await engine.generate(EnginePrompt((), tuple([5] * 300)), 19)
    except TeacherFailure as failure:
        found["too_long"] = failure.reason
    for child in psutil.Process().children(recursive=True):
        child.send_signal(signal.SIGKILL)
    try:
        for _ in range(5):
            await asyncio.wait_for(engine.generate(prompts[0], 19), 60)
    except EngineDead as dead:
        found["dead"] = str(dead)
    json.dump(found, open(sys.argv[2], "w"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    os._exit(0)
"""


def random_mistral(folder: Path) -> None:
    """Writes a model with random weights and RankZephyr's tokenizer."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    from rankgen.generator.prompts.rankzephyr_tokenizer import rankzephyr_tokenizer

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=32_000,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32_768,
    )
    MistralForCausalLM(config).save_pretrained(folder)
    rankzephyr_tokenizer().save_pretrained(folder)


@pytest.mark.timeout(600)
def test_vllm_writes_what_transformers_writes_and_dies_honestly(tmp_path: Path) -> None:
    import torch
    from transformers import MistralForCausalLM

    folder, found_file = tmp_path / "model", tmp_path / "found.json"
    random_mistral(folder)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(found_file)],
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(found_file.read_text())
    model = MistralForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for prompt, answer, decoded in zip(
        found["prompts"], found["answers"], found["decoded"], strict=True
    ):
        text, output_ids, finish, prompt_tokens, output_tokens = answer
        ids = torch.tensor([prompt])
        reference = model.generate(ids, max_new_tokens=19, min_new_tokens=19, do_sample=False)
        assert output_ids == reference[0, len(prompt) :].tolist()
        # vLLM spells the answer as a continuation, with the space before its first word.
        assert text.strip() == decoded.strip()
        assert (finish, prompt_tokens, output_tokens) == ("length", len(prompt), 19)
    gauges = found["gauges"]
    assert max(values["engine_requests_running"] for values in gauges) == len(found["prompts"])
    assert max(values["engine_kv_cache_usage"] for values in gauges) > 0
    drafted, kept = (
        gauges[-1].pop(f"engine_{name}_total") for name in ("draft_tokens", "drafts_kept")
    )
    assert 0 < kept <= drafted
    assert gauges[-1] == {
        "engine_requests_running": 0,
        "engine_requests_waiting": 0,
        "engine_kv_cache_usage": 0,
        "engine_preemptions_total": 0,
        "prompt_tokens_total": sum(map(len, found["prompts"])),
        "completion_tokens_total": 3 * 19,
    }
    assert found["facts"]["engine"] == "vllm"
    assert found["facts"]["dtype"] == "float32"
    assert found["facts"]["drafts"] == "on"
    assert found["facts"]["max_num_seqs"] == "3"
    tokens, requests, context = found["capacity"]
    assert (requests, context) == (3, 256)
    # Two layers with one head of 32 numbers for keys and one for values, 4 bytes each.
    assert 0.9 < tokens * 2 * 2 * 32 * 4 / 2**30 / KV_GIB <= 1
    # The same answer, of a prompt whose beginning is known.
    (ids, prompt_tokens, cached), warmed = found["warmed"]
    assert (prompt_tokens, cached) == (200, 0)
    assert warmed == [ids, 200, 128]
    assert "refused" in found["too_long"]
    assert "gone" in found["dead"]


LORA_SCRIPT = """
import asyncio, json, os, sys
from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.vllm.arguments import VllmSettings
from rankgen.generator.engines.vllm.engine import VllmEngine


async def main(folder, adapter):
    engine = VllmEngine(VllmSettings(model=folder, context_size=256, dtype="float32", lora=adapter))
    answer = await engine.generate(EnginePrompt((), tuple(range(5, 40))), 12)
    json.dump(answer.output_ids, open(sys.argv[3], "w"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
    os._exit(0)
"""


def random_adapter(folder: Path, model: Path, merged: Path) -> None:
    """Writes an adapter of rank 4 for every query projection, and the model with it merged in."""
    import torch
    from safetensors.torch import save_file
    from transformers import MistralForCausalLM

    whole = MistralForCausalLM.from_pretrained(model, dtype=torch.float32)
    torch.manual_seed(1)
    tensors = {}
    for number, layer in enumerate(whole.model.layers):
        weight = layer.self_attn.q_proj.weight
        down, up = torch.randn(4, weight.shape[1]), torch.randn(weight.shape[0], 4)
        name = f"base_model.model.model.layers.{number}.self_attn.q_proj"
        tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
        weight.data += 2.0 * up @ down
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    config |= {"bias": "none", "base_model_name_or_path": str(model)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    whole.save_pretrained(merged)


@pytest.mark.slow  # a second start of vLLM
@pytest.mark.timeout(600)
def test_an_adapter_answers_as_the_merged_model_does(tmp_path: Path) -> None:
    import torch
    from transformers import MistralForCausalLM

    model, adapter, merged = (tmp_path / name for name in ("model", "adapter", "merged"))
    random_mistral(model)
    random_adapter(adapter, model, merged)
    script, found_file = tmp_path / "script.py", tmp_path / "found.json"
    script.write_text(LORA_SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(model), str(adapter), str(found_file)],
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ids = torch.tensor([range(5, 40)])
    expected = []
    for folder in (model, merged):
        reference = MistralForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        generated = reference.generate(ids, max_new_tokens=12, do_sample=False)
        expected.append(generated[0, ids.shape[1] :].tolist())
    assert expected[0] != expected[1]
    assert json.loads(found_file.read_text()) == expected[1]
