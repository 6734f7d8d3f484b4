"""Notes for the user on the servers that answered, from the facts in a run's manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from rankgen.generator.engines.server.answered_model import BETWEEN, FINGERPRINT_FACT
from rankgen.generator.engines.server.request_fields import NOT_SENT_FACT
from rankgen.generator.engines.server.short_reads import SHORT_FACT


def server_notes(environments: Iterable[JsonValue]) -> list[str]:
    """Returns a sentence for each thing that influenced the labels but is not in the recipe."""
    facts = [found for found in environments if isinstance(found, dict)]
    notes = []
    fingerprints = _named(facts, FINGERPRINT_FACT)
    if len(fingerprints) > 1:
        notes.append(
            f"the server answered with {len(fingerprints)} system fingerprints "
            f"({', '.join(fingerprints)}): its setup changed, or it is several servers; "
            "manifest.json lists the shards of each"
        )
    if "temperature" in _named(facts, NOT_SENT_FACT):
        notes.append("the server does not accept a temperature, so its answers are not greedy")
    if short := _named(facts, SHORT_FACT):
        notes.append(
            f"the server counted only {short[0]} in a prompt: it seems to cut prompts that exceed "
            "its context, so the model ranks passages that it has not seen; raise the server's "
            "context (num_ctx in Ollama) or lower --context-size, and label into another --out"
        )
    return notes


def _named(environments: Iterable[Mapping[str, JsonValue]], fact: str) -> list[str]:
    texts = (str(facts[fact]) for facts in environments if fact in facts)
    return sorted({name for text in texts for name in text.split(BETWEEN)})
