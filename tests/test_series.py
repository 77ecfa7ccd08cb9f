"""Blocks of neighbours in time, and what they make of a standard error where rows hang together."""

import numpy as np
import pytest

from workbench import information
from workbench.errors import DataError

RNG = np.random.default_rng(20261123)
RHO, ROWS = 0.8, 2000


def squares(rng):
    """Squares of an AR(1): what the losses of a normal model are in a series."""
    e = rng.normal(size=ROWS) * np.sqrt(1 - RHO**2)
    y = np.empty(ROWS)
    y[0] = rng.normal()
    for t in range(1, ROWS):
        y[t] = RHO * y[t - 1] + e[t]
    return y**2 / 2


def test_a_block_is_twice_the_cube_root_long():
    assert information.block_length(2000) == 26
    codes = information.blocks_in_time(np.arange(2000))
    sizes = np.bincount(codes)
    assert len(sizes) == 2000 // 26
    assert set(sizes) <= {26, 27}
    assert (np.diff(codes) >= 0).all()


def test_few_moments_make_ten_blocks_or_one_each():
    assert len(np.unique(information.blocks_in_time(np.arange(60)))) == 10
    np.testing.assert_array_equal(information.blocks_in_time([7, 3, 5, 3]), [2, 0, 1, 0])


def test_blocks_go_by_time_and_keep_a_moment_whole():
    times = RNG.permutation(np.repeat(np.arange(40), 3))
    codes = information.blocks_in_time(times, 4)
    np.testing.assert_array_equal(codes, times // 10)


def test_more_blocks_than_moments_are_refused():
    with pytest.raises(DataError, match="3 moments in time cannot be cut into 4 blocks"):
        information.blocks_in_time([1, 2, 3], 4)


def test_block_errors_see_what_those_of_independent_rows_do_not():
    """Variance of a mean of AR(1) squares: (1 + r) / (1 - r) times, r = rho^2, of 1/2 a row."""
    r = RHO**2
    truth = np.sqrt(0.5 * (1 + r) / (1 - r) / ROWS)
    codes = information.blocks_in_time(np.arange(ROWS))
    samples = [squares(RNG) for _ in range(60)]
    alone = np.mean([information.mean(d).se for d in samples])
    blocked = np.mean([information.mean(d, groups=codes).se for d in samples])
    assert alone < 0.55 * truth
    assert 0.85 * truth < blocked < 1.02 * truth
