"""Setwise sorting: the best of a few passages decides each step of a heap or bubble sort.

Source: Zhuang et al., "A Setwise Approach for Effective and Highly Efficient Zero-shot Ranking",
SIGIR 2024, arXiv 2310.09497, as in their llm-rankers. The teacher orders a window; only what it put
first counts, so any listwise teacher will do. What is below the top `top` keeps its order.
"""

from __future__ import annotations

from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.shape import Shape


async def heap_pass(chain: Chain, shape: Shape) -> None:
    """Sorts the top by a heap whose nodes have window - 1 children.

    Args:
        chain: The query's list.
        shape: A call shows a node and its children; `top` passages are taken from the heap.
    """
    before, size = list(chain.order), len(chain.order)
    children = (shape.window or size) - 1
    for node in range(size // children, -1, -1):
        await _sift(chain, node, size, children)
    best = list[int]()
    while size and len(best) < (shape.top or 1):
        size -= 1
        best.append(chain.order[0])
        chain.order[0], chain.order[size] = chain.order[size], chain.order[0]
        if len(best) < (shape.top or 1):
            await _sift(chain, 0, size, children)
    _put_first(chain, best, before)


async def bubble_pass(chain: Chain, shape: Shape) -> None:
    """Lets the best passage rise from the bottom, `top` times; `shape` as for `heap_pass`."""
    before, size = list(chain.order), len(chain.order)
    window, top = shape.window or size, min(shape.top or 1, size - 1)
    for first in range(top):
        end = size
        while True:
            start = max(end - window, first)
            best = (await chain.rank(range(start, end)))[0]
            chain.order[start], chain.order[best] = chain.order[best], chain.order[start]
            if start == first:
                break
            end = start + 1
    _put_first(chain, chain.order[:top], before)


async def _sift(chain: Chain, node: int, size: int, children: int) -> None:
    """Lets the passage at a node sink until none of its children is better."""
    while children * node + 1 < size:
        below = range(children * node + 1, min(children * (node + 1) + 1, size))
        best = (await chain.rank([node, *below]))[0]
        if best == node:
            return
        chain.order[node], chain.order[best] = chain.order[best], chain.order[node]
        node = best


def _put_first(chain: Chain, best: list[int], before: list[int]) -> None:
    chosen = set(best)
    chain.order = [*best, *(place for place in before if place not in chosen)]
