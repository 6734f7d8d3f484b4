"""The Hugging Face Hub: the cache, offline mode and the token."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rankgen.generator.doctor.finding import Finding

_TRUE = frozenset({"1", "on", "yes", "true"})


@dataclass(frozen=True)
class Hub:
    """The settings for the Hub.

    Attributes:
        cache: Folder of downloaded models.
        models: Number of models in it.
        is_offline: Whether HF_HUB_OFFLINE forbids downloads.
        has_token: Whether HF_TOKEN is set or a token is stored.
        endpoint: The address of a mirror; None for the Hub itself.
    """

    cache: Path
    models: int
    is_offline: bool
    has_token: bool
    endpoint: str | None


def hub_cache() -> Path:
    """Returns the folder of downloaded models, as huggingface_hub finds it."""
    home = os.environ.get("HF_HOME")
    if home is None:
        home = str(Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub")).expanduser()


def gather_hub() -> Hub:
    """Looks at environment variables and the cache, not at the Hub itself."""
    cache = hub_cache()
    return Hub(
        cache=cache,
        models=len(list(cache.glob("models--*"))),
        is_offline=os.environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE,
        has_token=bool(os.environ.get("HF_TOKEN")) or (cache.parent / "token").is_file(),
        endpoint=os.environ.get("HF_ENDPOINT"),
    )


def judge_hub(facts: Hub) -> list[Finding]:
    """Judges the cache and offline mode; never shows the token."""
    parts = [f"{facts.models} models in {facts.cache}"]
    parts.append("a token is set" if facts.has_token else "no token")
    if facts.endpoint:
        parts.append(f"from {facts.endpoint}")
    if facts.is_offline:
        value = ", ".join([*parts, "offline (HF_HUB_OFFLINE)"])
        if facts.models == 0:
            remedy = "unset HF_HUB_OFFLINE, or use model folders and --backbone minilm"
            return [Finding("Hub", "warn", value, remedy)]
        return [Finding("Hub", "ok", value)]
    return [Finding("Hub", "ok", ", ".join(parts))]
