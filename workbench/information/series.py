"""Rows in time: blocks of neighbours, which are as good as independent where the rows are not."""

import math

import numpy as np
import numpy.typing as npt

from workbench.errors import DataError

FEWEST_BLOCKS = 2  # for any standard error
ENOUGH_BLOCKS = 10  # for one that is itself known to a quarter


def block_length(moments: int) -> int:
    """Neighbours to a block: 2 n^(1/3), rounded up.

    The power is the best there is for a mean's standard error (Carlstein 1986), whose rule for an
    autoregression, (sqrt(6) rho / (1 - rho^2))^(2/3) n^(1/3), is this at rho = .65. (Of squares of
    an AR(1) of .8, n = 2000, the standard error comes out some 10 % too small, where that of
    independent rows is less than half.) Stronger dependence needs longer blocks.
    """
    return math.ceil(2 * math.cbrt(moments))


def blocks_in_time(times: npt.ArrayLike, blocks: int | None = None) -> npt.NDArray[np.int64]:
    """Block 0, 1, 2, ... of each row: contiguous in time, about equally many moments in each.

    blocks
        How many; by default as many as blocks of `block_length` fit in, but ten at least, or as
        many as there are moments. Rows of one moment stay together. Raises DataError for more
        blocks than there are moments, or less than two.
    """
    moments, place = np.unique(np.asarray(times), return_inverse=True)
    count = len(moments) // block_length(len(moments)) if blocks is None else blocks
    if blocks is None:
        count = max(count, min(ENOUGH_BLOCKS, len(moments)))
    elif not FEWEST_BLOCKS <= count <= len(moments):
        raise DataError(
            f"{len(moments)} moments in time cannot be cut into {count} blocks for a standard error"
        )
    return np.asarray(place.reshape(-1) * count // len(moments), dtype=np.int64)
