"""vLLM itself, with a tiny random Mistral made on the spot: plumbing, lengths, ids, death."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")

# In a process of its own: vLLM starts further processes and keeps global state.
SCRIPT = """
import asyncio, json, os, signal, sys
import psutil
from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.vllm_engine import VllmEngine, VllmSettings
from rankgen.generator.outcomes import EngineDead, TeacherFailure
from rankgen.generator.tokenizer import load_tokenizer


async def main(folder):
    tokenizer = load_tokenizer(folder, None, "zephyr")
    texts = ["a b c", "[1] > [2]", "some other prompt " * 30]
    prompts = [EnginePrompt((), tuple(tokenizer.encode(text))) for text in texts]
    engine = VllmEngine(VllmSettings(folder, context_size=256, dtype="float32", force_length=True))
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

    from rankgen.generator.tokenizer import _bundled_fast

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
    _bundled_fast().save_pretrained(folder)


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
    assert "refused" in found["too_long"]
    assert "gone" in found["dead"]
