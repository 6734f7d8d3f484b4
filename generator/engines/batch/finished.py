"""What came of a batch that a server has: waits until it is over, and reads its lines."""

from __future__ import annotations

import asyncio

from rankgen.generator.engines.batch.lines import Line, best_lines, read_lines
from rankgen.generator.engines.batch.transport import OVER, BatchTransport, Seen

_MOST_READS = 4
_LONGEST_PAUSE_S = 60.0
_SLOWER = 1.5


async def until_over(transport: BatchTransport, batch_id: str, pause_s: float) -> Seen | None:
    """Waits until a batch is over, looking at it less and less often.

    Args:
        transport: Speaks to the server.
        batch_id: The batch.
        pause_s: Seconds before the first look.

    Returns:
        How it ended; None if the server does not know it any more.
    """
    pause = pause_s
    while True:
        await asyncio.sleep(pause)
        seen = await transport.look(batch_id)
        if seen is None or seen.status in OVER:
            return seen
        pause = min(pause * _SLOWER, max(_LONGEST_PAUSE_S, pause_s))


async def lines_of(transport: BatchTransport, seen: Seen) -> dict[str, Line]:
    """Returns the lines of a batch that is over, reading its files again if some are missing."""
    found: dict[str, Line] = {}
    for _ in range(_MOST_READS):
        contents = [await transport.content(file) for file in seen.files]
        lines = [line for content in contents for line in read_lines(content)]
        found = best_lines([*found.values(), *lines])
        if seen.answers is None or sum(x.is_final for x in found.values()) >= seen.answers:
            break
    return found
