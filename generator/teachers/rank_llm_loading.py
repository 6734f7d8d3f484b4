"""Opens a model by rank_llm's own factory, whose modules do not all load under transformers 5."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rankgen.generator.engines.settings import CONTEXT_SIZE
from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of

if TYPE_CHECKING:
    from rankgen.generator.teachers.settings import LabelSettings

_LIT5 = "rank_llm.rerank.listwise.rank_fid"
_TEMPLATES = {
    "gpt": "rank_gpt_template.yaml",
    "gemini": "rank_zephyr_template.yaml",
    "lit5-distill": "rank_fid_template.yaml",
    "lit5-score": "rank_fid_score_template.yaml",
}
_OURS = {"monot5": "pointwise", "duot5": "pairwise"}
_INSTALL = "pip install rank-llm"


def is_remote_model(model: str) -> bool:
    """Tells whether rank_llm asks a provider for this model, by the rule of its factory."""
    return "gpt" in model or "gemini" in model


def open_coordinator(model: str, settings: LabelSettings) -> Any:  # its own class
    """Returns rank_llm's object for a listwise model.

    Args:
        model: A name of rank_llm's, a Hugging Face id, or a folder.
        settings: Resolved settings.

    Raises:
        UsageError: rank_llm cannot open it, or it is not a listwise model.
        EnvironmentProblem: rank_llm, or a package that it needs, is not installed.
    """
    for name, teacher in _OURS.items():
        if name in model.lower():
            raise UsageError(
                f"{model} is asked without rank_llm", f"--teacher {teacher} --model {model}"
            )
    asked = _arguments(model, settings)
    try:
        with _quietly():
            factory = _factory()
            coordinator = factory.create_model_coordinator(model, None, False, **asked)
    except ImportError as error:
        raise EnvironmentProblem(
            f"rank_llm cannot be imported: {reason_of(error)}", _INSTALL
        ) from None
    # vLLM, transformers, tiktoken and rank_llm's own asserts.
    except Exception as error:
        raise UsageError(
            f"rank_llm cannot open {model}: {reason_of(error)}",
            "name a listwise model of rank_llm after the colon",
        ) from None
    if not hasattr(coordinator, "receive_permutation"):
        raise UsageError(
            f"{model} is not a listwise model of rank_llm",
            "name a listwise model of rank_llm after the colon",
        )
    return coordinator


def _arguments(model: str, settings: LabelSettings) -> dict[str, object]:
    import torch

    on_gpu = torch.cuda.is_available()
    asked: dict[str, object] = {
        "context_size": settings.context_size or CONTEXT_SIZE,
        "window_size": settings.window or 20,
        "stride": settings.stride or 10,
        "device": "cuda" if on_gpu else "cpu",
        "num_gpus": settings.tensor_parallel,
    }
    kinds = [name for name in _TEMPLATES if name in model.lower()]
    if settings.base_url is not None:
        kinds = ["gpt"]
        asked["base_url"] = settings.base_url.rstrip("/") + "/"
        # A server of one's own needs none, but rank_llm does.
        os.environ.setdefault("OPENAI_API_KEY", "none")
    if kinds:
        # Its factory's default is a path within its repository.
        asked["prompt_template_path"] = _template(_TEMPLATES[kinds[0]])
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.cpu_kv_cache_gib))
    return asked


def _template(name: str) -> str:
    from importlib.resources import files

    try:
        return str(files("rank_llm") / "rerank" / "prompt_templates" / name)
    except ModuleNotFoundError:
        raise EnvironmentProblem("the package rank_llm is not installed", _INSTALL) from None


def _factory() -> Any:  # its own class
    try:
        from rank_llm.rerank import Reranker
    except ImportError:
        # LiT5's own model code needs an older transformers; nothing else needs LiT5.
        for name in [name for name in sys.modules if name.startswith("rank_llm.rerank")]:
            del sys.modules[name]
        sys.modules[_LIT5] = _without_lit5()
        from rank_llm.rerank import Reranker
    return Reranker


def _without_lit5() -> types.ModuleType:
    class Lit5:
        def __init__(self, **_: object) -> None:
            raise UsageError(
                "this rank_llm's LiT5 does not load under transformers 5",
                "install a newer rank-llm, or choose another model",
            )

    module = types.ModuleType(_LIT5)
    vars(module).update(RankFiDDistill=Lit5, RankFiDScore=Lit5)
    return module


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Sends what rank_llm prints to the log, and undoes its settings of logging."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
