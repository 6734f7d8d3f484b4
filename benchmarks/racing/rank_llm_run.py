"""rank-llm in a process of its own: its `ZephyrReranker` labels lists as its users have it do.

    python -m racing.rank_llm_run MODEL CONTEXT_SIZE DTYPE

Its engine gets the arguments that rankgen's has, and vLLM's statistics, for the picture. Release
0.25.7 does not import under transformers 5 because of a module that is not used here.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

from racing.lists import WINDOW, read_lists
from racing.measures import Measures
from racing.turns import serve


def rank_llm(model: str, context_size: int, dtype: str) -> Any:
    """Returns rank-llm's reranker with the model loaded."""
    os.environ.setdefault("OPENAI_API_KEY", "none")
    # It cannot be imported beside transformers 5, and nothing of it is used; a namespace with its
    # names stands for the module.
    sys.modules["rank_llm.rerank.listwise.rank_fid"] = types.SimpleNamespace(  # type: ignore[assignment]  # see above
        RankFiDDistill=None, RankFiDScore=None
    )
    import torch
    import vllm
    from rank_llm.rerank import vllm_handler
    from rank_llm.rerank.listwise import ZephyrReranker

    def engine(**asked: Any) -> Any:
        """Starts vLLM as rank-llm asks, with what rankgen's own engine is told."""
        ours = {
            "max_model_len": context_size,
            "dtype": dtype,
            "enforce_eager": not torch.cuda.is_available(),
            "disable_log_stats": False,
        }
        if os.environ.get("RACING_LOAD_FORMAT"):
            ours["load_format"] = os.environ["RACING_LOAD_FORMAT"]
        if not torch.cuda.is_available():
            del asked["gpu_memory_utilization"]
        return vllm.LLM(**{**asked, **ours})

    vllm_handler.vllm = types.SimpleNamespace(LLM=engine, SamplingParams=vllm.SamplingParams)
    return ZephyrReranker(model_path=model, context_size=context_size)


def requests(lists: Path) -> list[Any]:
    """Returns the lists as rank-llm's requests."""
    from rank_llm.data import Candidate, Query, Request

    return [
        Request(
            query=Query(text=query.text, qid=query.query_id),
            candidates=[
                Candidate(docid=document.doc_id, score=float(-place), doc={"text": document.text})
                for place, document in enumerate(documents)
            ],
        )
        for query, documents in read_lists(lists)
    ]


def main() -> None:
    """Loads, warms up, and labels whatever it is told to."""
    model, context_size, dtype = sys.argv[1:]
    reranker = rank_llm(model, int(context_size), dtype)
    engine = reranker._reranker._vllm_handler._vllm
    reranker.rerank_batch(requests(Path(os.environ["RACING_WARM"])), rank_end=WINDOW)

    def measured(order: dict[str, Any]) -> dict[str, Any]:
        asked = requests(Path(order["lists"]))
        engine.reset_prefix_cache()
        measures = Measures(Path(order["measures"]), os.getpid())
        measures.sample()
        measures.mark("begin")
        results = reranker.rerank_batch(asked)
        measures.mark("end")
        measures.end()
        rankings = {r.query.qid: [c.docid for c in r.candidates] for r in results}
        return {"rankings": rankings}

    serve(measured)


if __name__ == "__main__":
    main()
