"""Reading names what is wrong and where; a split is exact, ordered and repeatable."""

import gzip
import hashlib
import sys
from datetime import date
from decimal import Decimal

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from workbench.errors import DataError
from workbench.formula import design
from workbench.table import Dropped, drop_missing, numbers, read, split

CSV = "person,visits,age\n1,0,31\n1,2,32\n2,5,47\n3,1,29\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="visits.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def people(count=100, size=1):
    return pd.DataFrame({"person": np.repeat(np.arange(count), size), "y": 1.0})


def test_a_csv_file_is_read_with_rows_from_zero_and_its_hash(write):
    path = write(CSV)
    table = read(path, group="person")
    assert len(table) == 4
    assert table.columns == ["person", "visits", "age"]
    assert list(table.frame.index) == [0, 1, 2, 3]
    assert table.source == "visits.csv"
    assert table.sha256 == hashlib.sha256(CSV.encode()).hexdigest()
    assert table.roles.declared == {"group": "person"}


def test_a_gzipped_csv_file_is_the_same_table(write):
    plain = read(write(CSV))
    zipped = read(str(write(gzip.compress(CSV.encode()), "visits.csv.gz")))
    pd.testing.assert_frame_equal(plain.frame, zipped.frame)
    assert zipped.where(1) == "row 1 (line 3 of visits.csv.gz)"


def test_a_byte_order_mark_is_not_part_of_a_name(write):
    assert read(write(b"\xef\xbb\xbf" + CSV.encode())).columns[0] == "person"


def test_a_row_keeps_its_line_past_blank_lines_and_line_breaks_in_cells(write):
    table = read(write('a,b\n1,"x\ny"\n\n2,z\n'))
    assert [table.where(i) for i in (0, 1)] == [
        "row 0 (line 2 of visits.csv)",
        "row 1 (line 5 of visits.csv)",
    ]


def test_a_data_frame_keeps_its_row_labels_and_is_copied():
    frame = pd.DataFrame({"y": [1.0, 2.0]}, index=["anna", "bert"])
    table = read(frame)
    frame.loc["anna", "y"] = 99.0
    assert table.frame.loc["anna", "y"] == 1.0
    assert table.where(1) == "row bert"
    assert table.source == "data frame"


def test_the_hash_of_a_frame_is_of_its_content():
    first = read(pd.DataFrame({"y": [1.0, 2.0]}))
    assert first.sha256 == read(pd.DataFrame({"y": [1.0, 2.0]})).sha256
    assert first.sha256 != read(pd.DataFrame({"y": [2.0, 1.0]})).sha256


def test_the_hash_of_a_frame_knows_names_order_and_mixed_cells():
    frames = [
        pd.DataFrame({"y": [1, "a", [2]]}),
        pd.DataFrame({"y": [1, "a", [3]]}),
        pd.DataFrame({"x": [1, "a", [2]]}),
        pd.DataFrame({"y": [1, [2], "a"]}),
        pd.DataFrame({"y": [1, "a", [2]]}, index=[1, 2, 3]),
        pd.DataFrame({"y": [1, "a", [2]], "z": 1}),
    ]
    assert len({read(frame).sha256 for frame in frames}) == len(frames)


CELLS = {
    "y": [1, 2, 4],
    "x": [0.5, None, 1.5],
    "g": ["a", None, "b"],
    "flag": [True, False, True],
    "day": [date(1978, 1, 1), date(1978, 12, 31), date(1979, 1, 1)],
    "price": [Decimal("1.25"), Decimal("2.5"), Decimal("0.1")],
}
LIBRARIES = {
    "narwhals over pandas": lambda cells: narwhals.from_native(pd.DataFrame(cells)),
    "polars": pl.DataFrame,
    "arrow": pa.table,
}


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
def test_frames_of_other_libraries_are_read(library):
    table = read(library(CELLS), weight="y", time="day")
    assert table.columns == list(CELLS)
    assert list(table.frame.index) == [0, 1, 2]
    np.testing.assert_array_equal(table.frame["x"], [0.5, np.nan, 1.5])
    assert list(table.frame["g"].isna()) == [False, True, False]
    np.testing.assert_array_equal(numbers(table, "flag"), [1, 0, 1])
    np.testing.assert_array_equal(numbers(table, "price"), [1.25, 2.5, 0.1])
    train, _ = split(table, after="1978")
    assert list(train.frame["y"]) == [1, 2]
    assert read(library(CELLS)).sha256 == read(library(CELLS)).sha256
    complete = drop_missing(table)
    assert dict(complete.dropped.counts) == {"x": 1, "g": 1}
    dataset = design("y ~ x", complete)(complete)
    np.testing.assert_array_equal(dataset["X"].sel(term="x"), [0.5, 1.5])
    with pytest.raises(DataError, match=r"missing values in x \(1, .* row 1\), g \(1, "):
        design("y ~ x + g", table)


def test_kinds_of_numbers_of_other_libraries_are_numbers():
    kinds = [pl.Int8, pl.UInt64, pl.Float32, pl.Int64]
    frame = pl.DataFrame({str(kind): pl.Series([0, 1, 3], dtype=kind) for kind in kinds})
    for data in (frame, frame.to_arrow()):
        table = read(data)
        for column in table.columns:
            np.testing.assert_array_equal(numbers(table, column), [0, 1, 3])


def test_categories_of_other_libraries_keep_their_order_where_they_have_one():
    grades = ["mid", "low", "high", "mid"]
    ordered = pl.Series(grades, dtype=pl.Enum(["low", "mid", "high", "top"]))
    table = read(pl.DataFrame({"grade": ordered, "x": [1.0, 2.0, 3.0, 5.0]}))
    made = design("grade ~ x", table)
    assert made.categories == ("low", "mid", "high")
    np.testing.assert_array_equal(made(table)["y"], [1, 0, 2, 1])
    plain = pl.DataFrame({"grade": pl.Series(grades, dtype=pl.Categorical), "x": [1, 2, 3, 5]})
    dictionary = pa.table({"grade": pa.array(grades).dictionary_encode(), "x": [1, 2, 3, 5]})
    for data in (plain, dictionary):
        assert design("grade ~ x", read(data)).categories == ("mid", "low", "high")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"y": [1]}).lazy(), r"but got LazyFrame: call collect\(\) on it before"),
        (pl.Series([1]), r"a path or a data frame, but got Series\."),
        (pa.table([[1], [2]], names=["y", "y"]), r"has columns of one name \('y' 2 times\): ren"),
        (pl.DataFrame({"y": []}), "has no rows"),
    ],
)
def test_an_unusable_frame_of_another_library_is_refused(frame, message):
    with pytest.raises(DataError, match=message):
        read(frame)


def test_infinite_values_of_other_libraries_are_named():
    table = read(pl.DataFrame({"y": [1, 2], "x": [1.0, float("inf")]}))
    with pytest.raises(DataError, match="column 'x' is infinite in row 1"):
        design("y ~ x", table)


def test_parquet_written_by_another_library_is_the_same_table(tmp_path):
    frame = pl.DataFrame(CELLS)
    frame.write_parquet(tmp_path / "cells.parquet")
    table = read(tmp_path / "cells.parquet", time="day")
    assert table.where(1) == "row 1"
    np.testing.assert_array_equal(numbers(table, "price"), [1.25, 2.5, 0.1])
    pd.testing.assert_frame_equal(table.frame[["y", "x", "g"]], read(frame).frame[["y", "x", "g"]])


def test_a_missing_file_names_the_nearest_one(write):
    path = write(CSV)
    with pytest.raises(DataError, match=r"no file .*vists\.csv, did you mean 'visits\.csv'\?"):
        read(path.with_name("vists.csv"))


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "a.csv", "a.csv is empty"),
        ("a,b\n", "a.csv", "a.csv has no rows"),
        ("a,b,a\n1,2,3\n", "a.csv", "a.csv has 2 columns named 'a'"),
        ("a,b\n1,2\n1,2,3\n", "a.csv", "line 3 of a.csv has 3 fields, but its header has 2"),
        ("a,b\n1,2,3\n4,5,6\n", "a.csv", "line 2 of a.csv has 3 fields"),
        (b"a\n\xff\n", "a.csv", "not UTF-8"),
        (b"plain", "a.csv.gz", "not a complete gzip file"),
        (gzip.compress(b"a\n1\n" * 99, mtime=0)[:-12], "a.csv.gz", "not a complete gzip file"),
        ("a\n1\n", "a.xlsx", "neither CSV .* nor Parquet"),
    ],
)
def test_an_unusable_file_is_refused(write, text, name, message):
    with pytest.raises(DataError, match=message):
        read(write(text, name))


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_parquet_without_pyarrow_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'likelihood-workbench\[parquet\]'"):
        read(write(b"PAR1", "a.parquet"))


def test_what_is_no_table_is_refused():
    with pytest.raises(DataError, match="a path or a data frame, but got list"):
        read([1, 2])


def test_repeated_and_nested_labels_of_a_frame_are_refused():
    with pytest.raises(DataError, match="2 columns named 'y'"):
        read(pd.DataFrame([[1, 2]], columns=["y", "y"]))
    nested = pd.DataFrame({"a": [1], "b": [2], "y": [3]}).set_index(["a", "b"])
    with pytest.raises(DataError, match="reset_index"):
        read(nested)


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"group": "persn"}, "group: .* no column 'persn', did you mean 'person'"),
        ({"group": "gap"}, r"missing values in gap \(1, the first in row 1\)"),
        ({"weight": "negative"}, "weight 'negative' is negative in row 2: -1"),
        ({"weight": "gap"}, "missing values in gap"),
        ({"weight": "word"}, "'word' is not a number in row 0, where it holds 'a'"),
        ({"exposure": "zero"}, "exposure 'zero' is not positive in row 1: 0"),
        ({"offset": "huge"}, "'huge' is infinite in row 0"),
        ({"time": "word"}, "neither numbers nor dates"),
        ({"time": "gap"}, "missing values in gap"),
        ({"trials": "gap"}, "missing values in gap"),
        ({"trials": "zero"}, "trials 'zero' is not a whole number of at least 1 in row 1: 0"),
        ({"trials": "half"}, "trials 'half' is not a whole number of at least 1 in row 2: 2.5"),
        ({"unit": 3}, "unit is text, such as 'visits per year', but got 3"),
        ({"unit": " "}, "unit is text, such as 'visits per year', but got ' '"),
        ({"width": 0}, "width is a number above 0, .* rounded, but got 0"),
        ({"width": np.inf}, "width is a number above 0, .* but got inf"),
        ({"width": "0.1"}, "width is a number above 0, .* but got '0.1'"),
        ({"width": True}, "width is a number above 0, .* but got True"),
    ],
)
def test_an_unusable_role_is_refused(roles, message):
    frame = pd.DataFrame(
        {
            "person": [1, 1, 2],
            "gap": [1.0, np.nan, 2.0],
            "negative": [1, 0, -1],
            "word": ["a", "b", "c"],
            "zero": [1, 0, 2],
            "huge": [np.inf, 0.0, 1.0],
            "half": [1.0, 2.0, 2.5],
        }
    )
    with pytest.raises(DataError, match=message):
        read(frame, **roles)


def test_more_can_be_declared_of_a_table():
    first = read(people(3), group="person", unit="kg", width=0.5)
    second = read(first, weight="y", width=1)
    assert second.roles.declared == {"group": "person", "weight": "y"}
    assert (second.unit, second.width) == ("kg", 1)
    with pytest.raises(DataError, match=r"time: .* no column 'year'"):
        read(first, time="year")


def gaps():
    return pd.DataFrame(
        {
            "y": [1.0, np.nan, 3.0, 4.0, 5.0],
            "x": [1.0, np.nan, np.nan, 4.0, 5.0],
            "town": ["a", "b", "c", None, "e"],
            "note": [None, None, None, None, "x"],
        },
        index=list("abcde"),
    )


def test_rows_with_missing_values_are_dropped_and_counted_by_column():
    table = drop_missing(read(gaps()), "y", "x", "town")
    pd.testing.assert_frame_equal(table.frame, gaps().dropna(subset=["y", "x", "town"]))
    assert table.dropped == Dropped({"y": 1, "x": 2, "town": 1}, 3, 2)
    assert table.where(1) == "row e"
    assert split(table, heldout=0.5)[0].dropped == table.dropped
    assert read(gaps()).dropped is None


def test_without_names_every_column_must_be_complete():
    assert list(drop_missing(read(gaps())).frame.index) == ["e"]
    assert drop_missing(read(people(3))).dropped == Dropped({}, 0, 3)


def test_what_is_dropped_in_turn_adds_up():
    table = drop_missing(drop_missing(read(gaps()), "y"), "x", "y")
    assert table.dropped == Dropped({"y": 1, "x": 1}, 2, 3)


def test_a_role_with_gaps_is_declared_once_they_are_dropped():
    table = read(drop_missing(read(gaps()), "town"), group="town")
    assert list(table.frame["town"]) == ["a", "b", "c", "e"]


def test_dropping_what_is_not_there_or_everything_is_refused():
    with pytest.raises(DataError, match=r"drop_missing: .* no column 'twon', did you mean 'town'"):
        drop_missing(read(gaps()), "twon")
    with pytest.raises(DataError, match=r"no row of data frame is complete.*: .* note \(3\)"):
        drop_missing(read(gaps().iloc[:3]), "x", "note")


def test_zero_weights_are_allowed():
    assert len(read(pd.DataFrame({"y": [1, 2], "w": [0, 3]}), weight="w")) == 2


def test_a_fraction_of_rows_is_held_out_in_order_and_without_overlap():
    train, test = split(read(people()), heldout=0.25)
    assert len(test) == 25
    assert list(train.frame.index) == sorted(set(range(100)) - set(test.frame.index))
    assert list(test.frame.index) == sorted(test.frame.index)
    assert test.sha256 == train.sha256


def test_a_split_depends_on_the_seed_alone():
    table = read(people())
    default, zero, one = (
        list(split(table, heldout=0.3, rng=rng)[1].frame.index)
        for rng in (None, np.random.default_rng(0), np.random.default_rng(1))
    )
    assert default == zero
    assert default != one


def test_groups_are_held_out_whole_and_near_the_fraction():
    train, test = split(read(people(40, size=5), group="person"), heldout=0.25)
    assert not set(train.frame["person"]) & set(test.frame["person"])
    assert len(test) == 50  # groups of equal size meet the fraction exactly


def test_unequal_groups_miss_the_fraction_by_at_most_half_the_largest():
    sizes = np.random.default_rng(3).integers(1, 20, 50)
    table = read(pd.DataFrame({"g": np.repeat(np.arange(50), sizes)}), group="g")
    _, test = split(table, heldout=0.4)
    # counts step by one group at a time, so the nearest count is within half of a step
    assert abs(len(test) - 0.4 * len(table)) <= sizes.max() / 2


def test_rows_after_a_time_are_held_out():
    table = read(pd.DataFrame({"year": [1979, 1977, 1978, 1980]}), time="year")
    for after in (1978, "1978"):
        train, test = split(table, after=after)
        assert list(train.frame["year"]) == [1977, 1978]
        assert list(test.frame["year"]) == [1979, 1980]


def test_a_year_is_over_when_its_last_day_is(write):
    table = read(write("day,y\n1978-01-01,1\n1978-12-31,2\n1979-01-01,3\n"), time="day")
    assert [list(part.frame["y"]) for part in split(table, after="1978")] == [[1, 2], [3]]
    assert [list(part.frame["y"]) for part in split(table, after="1978-06")] == [[1], [2, 3]]
    assert len(split(table, after=date(1978, 12, 31))[1]) == 1


@pytest.mark.parametrize("marks", [[0, 1, 0, 1], [False, True, False, True], ["0", "1", "0", "1"]])
def test_marked_rows_are_held_out(marks):
    train, test = split(read(pd.DataFrame({"y": range(4), "is_test": marks})), column="is_test")
    assert list(train.frame["y"]) == [0, 2]
    assert list(test.frame["y"]) == [1, 3]


def test_lines_go_with_their_rows(write):
    _, test = split(read(write("y,out\n5,0\n6,1\n")), column="out")
    assert test.where(0) == "row 1 (line 3 of visits.csv)"


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ({}, "exactly one of heldout, last, after and column, but got none"),
        ({"heldout": 0.2, "column": "out"}, "but got heldout and column"),
        ({"heldout": 0.0}, "between 0 and 1, but got 0.0"),
        ({"heldout": 1.0}, "between 0 and 1"),
        ({"heldout": float("nan")}, "between 0 and 1"),
        ({"heldout": 0.01}, "leaves the held-out part without rows"),
        ({"heldout": 0.99}, "leaves the training part without rows"),
        ({"column": "uot"}, "no column 'uot', did you mean 'out'"),
        ({"column": "y"}, r"must be 1 for held-out rows .* row 2 holds 7"),
        ({"column": "none"}, "leaves the held-out part without rows"),
        ({"after": 3}, "needs a time column"),
        ({"last": 0.5}, "last=0.5 needs a time column"),
        ({"last": 1.5}, "last is a fraction between 0 and 1, but got 1.5"),
        ({"heldout": 0.3, "last": 0.3}, "but got heldout and last"),
        ({"column": "out", "stratify": "y"}, "stratify goes with heldout, but got column"),
        ({"after": 3, "blocks": 2}, "blocks goes with heldout, but got after"),
        ({"heldout": 0.3, "stratify": "y", "blocks": 2}, "got stratify and blocks"),
        ({"heldout": 0.3, "stratify": "uot"}, "stratify: .* no column 'uot', did you mean 'out'"),
        ({"heldout": 0.3, "stratify": "gap"}, r"missing values in gap \(1, the first in row 2\)"),
        ({"heldout": 0.3, "blocks": 4}, "blocks is a whole number from 2 to the 3 rows, but got 4"),
        ({"heldout": 0.3, "blocks": 1}, "blocks is a whole number from 2 .* but got 1"),
        ({"heldout": 0.3, "blocks": 2.0}, "blocks is a whole number .* but got 2.0"),
        ({"heldout": 0.3, "blocks": True}, "blocks is a whole number .* but got True"),
    ],
)
def test_an_unusable_split_is_refused(mode, message):
    frame = pd.DataFrame({"y": [0, 1, 7], "out": [0, 1, 1], "none": [0, 0, 0]})
    frame["gap"] = [1.0, 2.0, np.nan]
    with pytest.raises(DataError, match=message):
        split(read(frame), **mode)


def test_an_unreadable_time_is_refused():
    with pytest.raises(DataError, match="after='later' is not a number"):
        split(read(pd.DataFrame({"year": [1, 2]}), time="year"), after="later")
    with pytest.raises(DataError, match="after='later' is not a date"):
        split(read(pd.DataFrame({"day": ["1978-01-01"]}), time="day"), after="later")


def test_a_single_group_cannot_be_split():
    with pytest.raises(DataError, match="one level"):
        split(read(people(1, size=9), group="person"), heldout=0.5)
