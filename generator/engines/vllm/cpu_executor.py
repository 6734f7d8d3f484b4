"""vLLM's executor on a CPU: what its processes do otherwise than vLLM has them do."""

from __future__ import annotations

from vllm.v1.executor.multiproc_executor import MultiprocExecutor

from rankgen.generator.engines.vllm.draft_check import check_greedily
from rankgen.generator.engines.vllm.waiting import wait_asleep


class CpuExecutor(MultiprocExecutor):
    """Starts workers that wait asleep and check drafts at a look."""

    def _init_executor(self) -> None:
        wait_asleep()
        super()._init_executor()
        self.collective_rpc(wait_asleep)
        self.collective_rpc(check_greedily)
