"""Strata, blocks, the latest rows, and folds: every row has its place, and units stay whole."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.table import folds, read, split

RNG = np.random.default_rng(11)
ROWS = 240
TOWNS = np.repeat(["north", "south", "west"], [150, 80, 10])


def frame():
    """Towns of 150, 80 and 10 rows in random order, 60 groups of 4 rows, 8 times of 30 rows."""
    person = np.repeat(np.arange(60), 4)
    return pd.DataFrame(
        {
            "town": RNG.permutation(TOWNS),
            "age": RNG.normal(size=ROWS),
            "person": person,
            "home": np.where(person % 3, "north", "south"),
            "year": RNG.permutation(np.repeat(np.arange(1990, 1998), 30)),
            "moment": RNG.permutation(ROWS),
        }
    )


FRAME = frame()


def counted(table, column):
    return table.frame[column].value_counts().to_dict()


# Splits


@pytest.mark.parametrize("seed", range(5))
def test_every_stratum_gives_the_same_share(seed):
    _, out = split(read(FRAME), heldout=0.25, stratify="town", rng=np.random.default_rng(seed))
    # a quarter of 150, 80 and 10 rows, each to the whole row next to it
    held = counted(out, "town")
    assert held["south"] == 20
    assert (held["north"], held["west"]) in [(37, 3), (38, 2)]
    assert len(out) == 60


def test_many_small_strata_come_near_the_share_together():
    pairs = read(pd.DataFrame({"pair": np.repeat([f"p{i}" for i in range(200)], 2)}))
    _, out = split(pairs, heldout=0.25, stratify="pair")
    assert len(out) == 100  # a quarter of 400, though a quarter of each pair is half a row
    assert max(counted(out, "pair").values()) == 1


def test_a_column_of_many_numbers_is_cut_at_its_deciles():
    _, out = split(read(FRAME), heldout=0.25, stratify="age")
    tenths = pd.qcut(FRAME["age"], 10, labels=False)
    # 24 rows a decile by pandas' count
    assert tenths[out.frame.index].value_counts().to_dict() == dict.fromkeys(range(10), 6)


def test_ten_numbers_are_ten_levels_and_eleven_are_cut():
    # Ten equal values would share deciles if they were cut: 0.5 of each level is exact.
    few = read(pd.DataFrame({"x": np.repeat(np.arange(10.0), [2, 4, 6, 2, 4, 6, 2, 4, 6, 2])}))
    _, out = split(few, heldout=0.5, stratify="x")
    assert list(out.frame["x"].value_counts(sort=False)) == [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]
    many = read(pd.DataFrame({"x": np.arange(400.0)}))
    _, out = split(many, heldout=0.5, stratify="x")
    assert counted(read(pd.DataFrame({"tenth": out.frame["x"] // 40})), "tenth") == dict.fromkeys(
        map(float, range(10)), 20
    )


def test_whole_groups_are_drawn_from_every_stratum():
    train, out = split(read(FRAME, group="person"), heldout=0.25, stratify="home")
    assert not set(train.frame["person"]) & set(out.frame["person"])
    assert counted(out, "home") == {"north": 40, "south": 20}  # 10 of 40 groups, 5 of 20


def test_a_large_group_in_one_stratum_does_not_starve_the_next():
    sizes = [1000, 10, 10, 10, 10, *[10] * 40]
    table = read(
        pd.DataFrame(
            {
                "group": np.repeat(np.arange(45), sizes),
                "level": np.repeat(["a"] * 5 + ["b"] * 40, sizes),
            }
        ),
        group="group",
    )
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, out = split(table, heldout=0.25, stratify="level", rng=rng)
        # 10 of 40 groups, and half a group that the other level may have left
        assert 90 <= counted(out, "level")["b"] <= 110


def test_a_stratum_that_changes_within_a_group_is_refused():
    data = pd.DataFrame({"person": [1, 1, 2], "town": ["a", "b", "a"]})
    with pytest.raises(
        DataError,
        match="one value in each group, but 'town' is 'a' in row 0 and 'b' in row 1, both of "
        "'person' 1",
    ):
        split(read(data, group="person"), heldout=0.5, stratify="town")


def test_categories_and_booleans_are_strata():
    data = pd.DataFrame({"town": pd.Categorical(TOWNS, ordered=True), "flag": TOWNS == "west"})
    for column, held in (("town", {"north": 75, "south": 40, "west": 5}),
                         ("flag", {False: 115, True: 5})):  # fmt: skip
        assert counted(split(read(data), heldout=0.5, stratify=column)[1], column) == held


def runs(mask):
    """Lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [end - begin for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def test_blocks_are_whole_contiguous_and_near_the_share():
    _, out = split(read(FRAME), heldout=0.25, blocks=20)
    held = np.isin(np.arange(ROWS), out.frame.index)
    assert len(out) == 60
    assert all(length % 12 == 0 for length in runs(held))
    assert all(begin % 12 == 0 for begin in np.flatnonzero(np.diff(held.astype(int)) == 1) + 1)


def test_blocks_follow_time_where_it_is_declared():
    _, out = split(read(FRAME, time="moment"), heldout=0.25, blocks=20)
    held = np.isin(np.arange(ROWS), out.frame["moment"])
    assert all(length % 12 == 0 for length in runs(held))
    assert list(out.frame.index) == sorted(out.frame.index)


def test_one_block_at_least_is_held_out_and_one_kept():
    for share in (0.001, 0.999):
        parts = split(read(FRAME), heldout=share, blocks=2)
        assert [len(part) for part in parts] == [120, 120]


def test_blocks_depend_on_the_seed_alone():
    first, again, other = (
        list(split(read(FRAME), heldout=0.25, blocks=20, rng=rng)[1].frame.index)
        for rng in (None, np.random.default_rng(0), np.random.default_rng(1))
    )
    assert first == again != other


def test_the_latest_rows_are_held_out_and_ties_stay_together():
    train, out = split(read(FRAME, time="year"), last=0.3)  # 72 rows: 60 are nearer than 90
    assert set(out.frame["year"]) == {1996, 1997}
    assert train.frame["year"].max() == 1995


def test_the_latest_dates_are_held_out():
    days = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=10)[::-1].astype(str)})
    _, out = split(read(days, time="day"), last=0.2)
    assert list(out.frame.index) == [0, 1]


def test_one_time_at_least_is_held_out_and_one_kept():
    for share, years in ((0.001, {1997}), (0.999, set(range(1991, 1998)))):
        assert set(split(read(FRAME, time="year"), last=share)[1].frame["year"]) == years
    with pytest.raises(DataError, match="time 'year' has one value: no row is later"):
        split(read(FRAME.assign(year=1), time="year"), last=0.5)


# Folds


def sizes(found):
    return np.bincount(found.number, minlength=found.count)


@pytest.mark.parametrize("way", ["random", "blocked"])
@pytest.mark.parametrize("count", [2, 7, 10, 240])
def test_every_row_is_held_out_once_and_folds_are_equal_to_a_row(way, count):
    found = folds(read(FRAME), count, way=way)
    assert (found.count, found.way) == (count, way)
    masks = [found.masks(fold) for fold in range(count)]
    np.testing.assert_array_equal(sum(out.astype(int) for _, out in masks), 1)
    assert all((train == ~out).all() for train, out in masks)
    assert np.ptp(sizes(found)) <= 1


def test_groups_stay_whole_in_random_folds():
    found = folds(read(FRAME, group="person"), 7)
    by_group = found.number.reshape(60, 4)
    assert (by_group == by_group[:, :1]).all()
    assert np.ptp(np.bincount(by_group[:, 0])) <= 1


@pytest.mark.parametrize("group", [None, "person"])
def test_levels_are_spread_evenly_over_folds(group):
    column, unit = ("town", 1) if group is None else ("home", 4)
    found = folds(read(FRAME, group=group), 7, stratify=column)
    table = pd.crosstab(found.number, FRAME[column]) / unit
    assert (np.ptp(table, axis=0) <= 1).all()
    assert np.ptp(table.sum(axis=1)) <= 1


def test_random_folds_depend_on_the_seed_alone():
    first, again, other = (
        folds(read(FRAME), rng=rng).number
        for rng in (None, np.random.default_rng(0), np.random.default_rng(1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_blocked_folds_are_contiguous_in_time_or_in_row_order():
    assert (np.diff(folds(read(FRAME), 7, way="blocked").number) >= 0).all()
    in_time = folds(read(FRAME, time="moment"), 7, way="blocked").number
    assert (np.diff(in_time[np.argsort(FRAME["moment"])]) >= 0).all()


def test_a_fold_of_the_future_trains_on_earlier_rows_only():
    found = folds(read(FRAME, time="year"), 3, way="future")
    year = FRAME["year"].to_numpy()
    # 8 times in 4 blocks of equal length: the first two years are never held out
    np.testing.assert_array_equal(found.number, (year - 1990) // 2 - 1)
    for fold in range(3):
        train, out = found.masks(fold)
        np.testing.assert_array_equal(train, year < 1992 + 2 * fold)
        np.testing.assert_array_equal(out, (year - 1990) // 2 == fold + 1)


def test_blocks_of_the_future_never_cut_a_time():
    year = np.repeat(np.arange(6), [50, 1, 1, 1, 1, 50])
    found = folds(read(pd.DataFrame({"year": year}), time="year"), 5, way="future")
    np.testing.assert_array_equal(found.number, year - 1)  # as many blocks as times
    found = folds(read(pd.DataFrame({"year": year}), time="year"), 2, way="future")
    assert all(len(set(found.number[year == one])) == 1 for one in range(6))
    assert set(found.number) == {-1, 0, 1}


def test_blocks_are_balanced_where_times_do_not_tie():
    found = folds(read(FRAME, time="moment"), 6, way="future")
    assert np.ptp(np.bincount(found.number + 1)) <= 1
    ordered = found.number[np.argsort(FRAME["moment"])]
    assert all(a <= b for a, b in pairwise(ordered))


@pytest.mark.parametrize(
    ("options", "roles", "message"),
    [
        ({"way": "futur"}, {}, "way is one of .*'future', but got 'futur', did you mean 'future'"),
        ({"count": 1}, {}, "the number of folds is a whole number from 2 to the 240 rows, but got"),
        ({"count": 241}, {}, "from 2 to the 240 rows, but got 241"),
        ({"count": 61}, {"group": "person"}, "from 2 to the 60 groups, but got 61"),
        ({"count": 241, "way": "blocked"}, {}, "from 2 to the 240 rows, but got 241"),
        ({"count": 8, "way": "future"}, {"time": "year"}, "2 to the 7 times after the first, but"),
        ({"way": "future"}, {}, "way='future' needs a time column"),
        ({"way": "blocked", "stratify": "town"}, {}, "stratify goes with way='random', but got"),
        ({"stratify": "twon"}, {}, "stratify: .* no column 'twon', did you mean 'town'"),
        ({"stratify": "town"}, {"group": "person"}, "stratify needs one value in each group"),
    ],
)
def test_unusable_folds_are_refused(options, roles, message):
    with pytest.raises(DataError, match=message):
        folds(read(FRAME, **roles), **options)


@pytest.mark.parametrize("fold", [-1, 3])
def test_a_fold_that_is_not_there_is_refused(fold):
    with pytest.raises(DataError, match=f"numbered from 0 to 2, but got {fold}"):
        folds(read(FRAME), 3).masks(fold)
