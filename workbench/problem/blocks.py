"""Rows in blocks of one length: a sum over rows is compiled once, and serves any number of them.

A block stays in the processor's cache, and threads work on several at once.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from workbench.problem.graph import Graph

# A block's rows: as many as make a call worth its while, fewer where they are wide.
LONGEST, SHORTEST = 4_096, 512
NUMBERS = 2**18  # in its arrays, where they are wider than 64
RUNS = 8  # of blocks, that threads add up at once

Block = tuple[Any, ...]  # weights (b,), and then the arrays in the order of `Graph.inputs`


def cut(
    graph: Graph, arrays: Sequence[np.ndarray], weights: np.ndarray, apart: bool
) -> Iterator[Block]:
    """Rows and weights in blocks, where they can be taken `apart`; else as one.

    The last block is filled up with copies of a row, of weight zero.

    A row of weight zero reads the data of one that counts: its own term may be NaN, and so would
    be its gradient, whatever it is multiplied by.
    """
    by_row = [row.varies_by_row for row in graph.inputs]
    if not (weights > 0).all():
        arrays = _counted(by_row, arrays, weights)
    count = len(weights)
    length = length_of(graph, arrays) if apart and any(by_row) else count
    for begin in range(0, count, length):
        here = slice(begin, min(begin + length, count))
        missing = begin + length - here.stop if count > length else 0
        yield (
            np.append(weights[here], np.zeros(missing)) if missing else weights[here],
            *(
                _filled(array[here], missing) if varies else array
                for array, varies in zip(arrays, by_row, strict=True)
            ),
        )


def _counted(
    by_row: Sequence[bool], arrays: Sequence[np.ndarray], weights: np.ndarray
) -> list[np.ndarray]:
    counts = weights > 0
    spare = int(np.argmax(counts))
    return [
        np.where(counts.reshape((-1,) + (1,) * (array.ndim - 1)), array, array[spare])
        if varies
        else array
        for array, varies in zip(arrays, by_row, strict=True)
    ]


def length_of(graph: Graph, arrays: Sequence[np.ndarray]) -> int:
    """How many rows like these make a block."""
    width = sum(
        int(np.prod(array.shape[1:]))
        for row, array in zip(graph.inputs, arrays, strict=True)
        if row.varies_by_row
    )
    return int(np.clip(NUMBERS // max(width, 1), SHORTEST, LONGEST))


def _filled(array: np.ndarray, missing: int) -> np.ndarray:
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array


def added(part: Callable[[Block], np.ndarray], blocks: Sequence[Block]) -> np.ndarray:
    """The sum of `part` over the blocks, by as many threads as there are processors.

    Each adds up a run of blocks that does not depend on their number, so neither does the sum.
    """
    if len(blocks) == 1:
        return part(blocks[0])
    count = RUNS if len(blocks[0][0]) == LONGEST else 1  # wide rows make large matrices
    ends = np.linspace(0, len(blocks), min(count, len(blocks)) + 1).astype(int)
    runs = [blocks[begin:end] for begin, end in pairwise(ends)]
    return np.asarray(sum(_threads().map(partial(_sum, part), runs)))


def _sum(part: Callable[[Block], np.ndarray], blocks: Sequence[Block]) -> np.ndarray:
    total = np.array(part(blocks[0]))
    for block in blocks[1:]:
        total += part(block)
    return total


@cache
def _threads() -> ThreadPoolExecutor:
    """One for each processor, kept."""
    processors = getattr(os, "process_cpu_count", os.cpu_count)()  # the first from Python 3.13 on
    return ThreadPoolExecutor(processors or 1)
