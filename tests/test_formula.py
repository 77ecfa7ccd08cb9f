"""Formulas give the arrays that closed forms give, replay what was learned, and run no code."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.interpolate import BSpline, CubicSpline

from workbench.errors import DataError
from workbench.formula import columns_used, design, intercept_only
from workbench.formula.collinearity import dependences
from workbench.table import read, split


def frame():
    return pd.DataFrame(
        {
            "y": [0, 3, 1, 2, 5, 4],
            "x": [1.0, 2.0, 4.0, 3.0, 6.0, 5.0],
            "region": ["north", "south", "north", "west", "south", "west"],
            "flag": [True, False, True, False, True, False],
            "code": [3, 1, 3, 2, 1, 2],
            "person": ["b", "b", "a", "a", "c", "c"],
            "w": [1, 2, 1, 2, 1, 2],
            "t": [1, 2, 3, 4, 5, 6],
        },
        index=[10, 11, 12, 13, 14, 15],
    )


def table(**roles):
    return read(frame(), **roles)


def encoded(formula, data=None):
    data = read(frame() if data is None else data)
    dataset = design(formula, data)(data)
    return {str(term): dataset["X"].sel(term=term).values for term in dataset["term"].values}


def test_the_dataset_has_the_names_dims_and_types_of_the_design():
    data = table(group="person", weight="w", exposure="x", offset="x", time="t")
    dataset = design("y ~ x", data, zero="~ region")(data)
    expected = {
        "y": (("row",), "float64"),
        "X": (("row", "term"), "float64"),
        "X_zero": (("row", "term_zero"), "float64"),
        "offset": (("row",), "float64"),
        "exposure": (("row",), "float64"),
        "weight": (("row",), "float64"),
        "group": (("row",), "int64"),
        "time": (("row",), "int64"),
    }
    assert {name: (var.dims, str(var.dtype)) for name, var in dataset.items()} == expected
    assert list(dataset) == list(expected)
    assert dataset.attrs == {"outcome": "y"}
    assert list(dataset["row"].values) == [10, 11, 12, 13, 14, 15]
    assert list(dataset["term"].values) == ["Intercept", "x"]
    assert list(dataset["term_zero"].values) == ["Intercept", "region[T.south]", "region[T.west]"]
    np.testing.assert_array_equal(dataset["y"], frame()["y"])


def test_unit_and_width_of_the_outcome_go_with_the_data():
    data = read(frame().assign(y=0.5), trials="x", unit="kg", width=0.5)
    dataset = design("y ~ 1", data)(data)
    assert dataset.attrs == {"outcome": "y", "unit": "kg", "width": 0.5}
    assert str(dataset["trials"].dtype) == "float64"
    np.testing.assert_array_equal(dataset["trials"], frame()["x"])


@pytest.mark.parametrize(
    ("y", "roles", "message"),
    [
        (
            [0, 1, 4, 3, 7, 5],
            {"trials": "x"},
            "the outcome 'y' is 7 in row 14, which is not between 0 and the 6 of trials 'x'",
        ),
        ([0, 1, 4, -1, 6, 5], {"trials": "x"}, "the outcome 'y' is -1 in row 13, which is not"),
        (
            [0.1, 0.2, 0.35, 1.1, -0.1, 0.3],
            {"width": 0.1},
            "the outcome 'y' is 0.35 in row 12, which is no multiple of the declared width 0.1",
        ),
        ([2, 4, 6, 8, 10, 11], {"width": 2}, "the outcome 'y' is 11 in row 15, which is no"),
    ],
)
def test_an_outcome_against_what_is_declared_of_it_is_refused(y, roles, message):
    data = read(frame().assign(y=y), **roles)
    with pytest.raises(DataError, match=message):
        design("y ~ 1", data)(data)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_decimals_that_binary_numbers_miss_are_multiples(kind):
    # 0.1 is no binary number, and 0.1 * 3 is not 0.3: rounding is no reason to refuse
    y = np.array([0.1 * 3, 0.7, -1.1, 123.4, 0.0, 2.3], kind)
    data = read(frame().assign(y=y), width=0.1)
    assert design("y ~ 1", data)(data)["y"].size == 6


def test_groups_are_codes_in_order_of_first_appearance():
    data = table(group="person")
    dataset = design("y ~ 1", data)(data)
    assert list(dataset["group"].values) == [0, 0, 1, 1, 2, 2]
    assert list(dataset["group_label"].values) == ["b", "b", "a", "a", "c", "c"]
    assert "group_label" not in dataset.indexes


def test_the_dataset_can_be_stored(tmp_path):
    pytest.importorskip("h5py", reason="h5netcdf writes through it, but does not require it")
    data = read(frame().set_axis(list("abcdef")), group="person", time="t")
    dataset = design("y ~ region", data)(data)
    dataset.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "data.nc", engine="h5netcdf") as stored:
        assert list(stored["term"].values) == list(dataset["term"].values)
        assert list(stored["row"].values) == list("abcdef")


def test_a_design_says_its_formulas():
    made = design("y ~ x", table(), zero="~ code")
    assert (made.outcome, made.formula, made.predictors) == ("y", "y ~ x", {"zero": "~ code"})


def test_a_formula_may_leave_out_the_intercept():
    assert list(encoded("y ~ x - 1")) == ["x"]
    assert list(encoded("y ~ 0 + region")) == ["region[north]", "region[south]", "region[west]"]


def test_arithmetic_is_arithmetic():
    x = frame()["x"].to_numpy()
    for text, value in {
        "log(x)": np.log(x),
        "log1p(x)": np.log1p(x),
        "exp(-x / 2)": np.exp(-x / 2),
        "sqrt(x)": np.sqrt(x),
        "I(x ** 2 - 3 * (x + 1))": x**2 - 3 * (x + 1),
        "{x + code}": x + frame()["code"].to_numpy(),
        "x:code": x * frame()["code"].to_numpy(),
    }.items():
        [column] = encoded(f"y ~ 0 + {text}").values()
        np.testing.assert_allclose(column, value, rtol=1e-15, err_msg=text)  # one rounding


def test_booleans_are_zero_or_one():
    np.testing.assert_array_equal(encoded("y ~ flag")["flag"], [1, 0, 1, 0, 1, 0])


def test_numbers_become_categories_on_request():
    terms = encoded("y ~ C(code)")
    assert list(terms) == ["Intercept", "C(code)[T.2]", "C(code)[T.3]"]
    np.testing.assert_array_equal(terms["C(code)[T.3]"], [1, 0, 1, 0, 0, 0])


@pytest.mark.parametrize(
    "factor",
    ["C(region, Treatment('south'))", "C(region, contr.treatment('south'))",
     "C(region, contrasts=Treatment(reference='south'))"],
)  # fmt: skip
def test_the_reference_level_can_be_chosen(factor):
    assert [name.split("[")[-1] for name in encoded(f"y ~ {factor}")] == [
        "Intercept", "T.north]", "T.west]",
    ]  # fmt: skip


def test_levels_can_be_ordered():
    terms = list(encoded("y ~ C(region, levels=['west', 'north', 'south'])"))
    assert [term[-8:] for term in terms[1:]] == ["T.north]", "T.south]"]


def test_unused_levels_of_a_categorical_column_are_not_learned():
    data = frame().assign(region=lambda d: d["region"].astype("category"))
    train = read(data[data["region"] != "west"])
    made = design("y ~ region", train)
    assert list(made(train)["term"].values) == ["Intercept", "region[T.south]"]
    with pytest.raises(DataError, match="'west' in row 13, a level never seen in training"):
        made(read(data))


def test_centring_and_scaling_use_the_training_rows_alone():
    train, test = (read(frame().iloc[rows]) for rows in ([0, 1, 2], [3, 4, 5]))
    dataset = design("y ~ center(x) + scale(x)", train, collinear="keep")(test)
    x, learned = test.frame["x"].to_numpy(), train.frame["x"].to_numpy()
    centred = x - learned.mean()
    np.testing.assert_allclose(dataset["X"][:, 1], centred, rtol=1e-15)
    np.testing.assert_allclose(dataset["X"][:, 2], centred / learned.std(ddof=1), rtol=1e-15)


def test_a_clash_of_backquoted_names_does_not_relearn():
    # formulaic 1.2 gives the second use of a name a random alias, so its state would be lost
    data = frame().assign(**{"a b": frame()["x"], "a-b": 1.0, "a_b": 2.0})
    train, test = read(data.iloc[:3]), read(data.iloc[3:])
    dataset = design("y ~ 0 + I(center(`a b`) * center(`a b`) + `a-b` + a_b)", train)(test)
    centred = test.frame["x"].to_numpy() - train.frame["x"].mean()
    np.testing.assert_allclose(dataset["X"][:, 0], centred**2 + 3.0, rtol=1e-15)


def test_orthogonal_polynomials_are_orthonormal_in_training():
    terms = np.column_stack(list(encoded("y ~ 0 + poly(x, 2)").values()))
    # a few roundings of numbers near one
    np.testing.assert_allclose(terms.T @ terms, np.eye(2), atol=1e-14)


def test_splines_are_scipys_on_the_training_knots():
    train, test = read(frame()), read(frame().iloc[[1, 2]].assign(x=[2.5, 3.5]))
    dataset = design("y ~ 0 + bs(x, df=4, include_intercept=True)", train)(test)
    knots = [1.0] * 4 + [6.0] * 4
    expected = BSpline.design_matrix([2.5, 3.5], np.array(knots), 3).toarray()
    np.testing.assert_allclose(dataset["X"], expected[:, -dataset.sizes["term"] :], atol=1e-14)


def test_a_spline_refuses_to_extrapolate_unless_told():
    train, test = read(frame()), read(frame().assign(x=9.0))
    with pytest.raises(DataError, match=r"bs\(x, df=4\).*extrapolation"):
        design("y ~ bs(x, df=4)", train)(test)
    clipped = design("y ~ bs(x, df=4, extrapolation='clip')", train)(test)
    assert np.isfinite(clipped["X"]).all()


def test_natural_splines_replay():
    whole = read(frame())
    made = design("y ~ cr(x, df=3, constraints='center')", whole)
    np.testing.assert_allclose(made(read(frame().iloc[2:4]))["X"], made(whole)["X"][2:4])


def test_a_replay_is_the_training_matrix_row_by_row():
    whole = table()
    formula = "y ~ C(code) * center(x) + region:flag + poly(x, 2)"
    made = design(formula, whole, collinear="keep")
    pieces = [made(read(frame().iloc[[i]])) for i in range(6)]
    joined = xr.concat(pieces, "row", data_vars="minimal", coords="minimal", compat="override")
    np.testing.assert_allclose(joined["X"], made(whole)["X"], rtol=1e-12, atol=1e-14)


def test_a_design_survives_pickling():
    whole = table()
    made = design("y ~ C(code, Treatment(2)) + bs(x, df=3)", whole, zero="~ scale(x)")
    xr.testing.assert_identical(pickle.loads(pickle.dumps(made))(whole), made(whole))


def test_intercepts_alone_keep_outcome_and_roles():
    data = read(frame().rename(columns={"y": "the count"}), weight="w")
    base = intercept_only(design("`the count` ~ x", data, zero="~ code"))
    assert base.formula == "`the count` ~ 1"
    dataset = base(data)
    assert list(dataset["term"].values) == list(dataset["term_zero"].values) == ["Intercept"]
    np.testing.assert_array_equal(dataset["X"], np.ones((6, 1)))
    assert {"weight", "y"} <= set(dataset)


# Offsets


def test_offsets_add_up_and_join_the_declared_one():
    data = table(offset="w")
    dataset = design("y ~ code + offset(log(x)) + offset(2 * t - 1)", data)(data)
    assert list(dataset["term"].values) == ["Intercept", "code"]
    f = frame()
    expected = f["w"] + np.log(f["x"]) + 2 * f["t"] - 1
    # a few roundings of numbers near ten
    np.testing.assert_allclose(dataset["offset"], expected, rtol=1e-15)
    assert dataset["offset"].dims == ("row",)
    alone = design("y ~ 1 + offset(3)", table())(table())
    np.testing.assert_array_equal(alone["offset"], np.full(6, 3.0))


def test_an_offset_keeps_what_it_learned_on_the_training_rows():
    train, test = (read(frame().iloc[rows]) for rows in ([0, 1, 2], [3, 4, 5]))
    dataset = design("y ~ 1 + offset(center(x))", train)(test)
    centred = test.frame["x"].to_numpy() - train.frame["x"].mean()
    np.testing.assert_allclose(dataset["offset"], centred, rtol=1e-15)  # one rounding


def test_a_missing_value_in_an_offset_is_counted():
    with pytest.raises(DataError, match=r"missing values in x \(1, the first in row 10\)"):
        design("y ~ 1 + offset(x)", read(frame().replace({"x": {1.0: np.nan}})))


def test_the_baseline_keeps_the_offsets():
    data = table()
    made = design("y ~ code + offset(center(x)) + offset(log(t))", data, zero="~ flag")
    base = intercept_only(made)
    assert base.formula == "y ~ 1 + offset(center(x)) + offset(log(t))"
    assert base.offsets == made.offsets == ("offset(center(x))", "offset(log(t))")
    few = data.take(np.arange(2))
    np.testing.assert_array_equal(base(few)["offset"], made(data)["offset"][:2])
    assert list(base(few)["term"].values) == list(base(few)["term_zero"].values) == ["Intercept"]


# Outcomes


def test_several_outcomes_stand_side_by_side():
    data = table()
    dataset = design("t + `y` + x ~ code", data)(data)
    assert dataset["y"].dims == ("row", "outcome")
    assert list(dataset["outcome"].values) == ["t", "y", "x"]
    np.testing.assert_array_equal(dataset["y"], frame()[["t", "y", "x"]])
    assert dataset.attrs["outcome"] == "t, y, x"
    made = design("t + y ~ code", data)
    assert (made.outcome, made.categories) == ("t, y", ())
    assert intercept_only(made).formula == "t + y ~ 1"
    xr.testing.assert_identical(intercept_only(made)(data)["y"], made(data)["y"])


def test_each_of_several_outcomes_is_held_to_the_declared_width():
    data = read(frame().assign(z=[0, 1, 2, 3, 4, 5.5]), width=1)
    with pytest.raises(DataError, match=r"the outcome 'z' is 5\.5 in row 15"):
        design("y + z ~ x", data)(data)


@pytest.mark.parametrize(
    ("outcome", "column", "labels", "codes"),
    [
        ("rating", ["mid", "low", "mid", "high", "low", "low"], ["mid", "low", "high"],
         [0, 1, 0, 2, 1, 1]),
        ("rating", ["yes", "no", "no", "yes", "no", "yes"], ["yes", "no"], [0, 1, 1, 0, 1, 0]),
        ("C(rating, levels=['low', 'mid', 'high', 'top'])",
         ["mid", "low", "mid", "high", "low", "low"], ["low", "mid", "high", "top"],
         [1, 0, 1, 2, 0, 0]),
        ("C(rating)", [3, 1, 3, 2, 1, 1], ["1", "2", "3"], [2, 0, 2, 1, 0, 0]),
        ("C(rating)", [10.0, 9.0, 10.0, 9.5, 9.0, 9.0], ["9", "9.5", "10"], [2, 0, 2, 1, 0, 0]),
        ("C(rating, levels=[1, 2, 3])", [3.0, 1.0, 3.0, 2.0, 1.0, 1.0], ["1", "2", "3"],
         [2, 0, 2, 1, 0, 0]),
        ("rating", [True, False, True, True, True, False], ["False", "True"], [1, 0, 1, 1, 1, 0]),
        ("rating", [True] * 6, ["False", "True"], [1] * 6),
        ("rating", pd.Categorical(["b", "c", "b", "a", "c", "b"], ["a", "b", "c", "d"]),
         ["b", "c", "a"], [0, 1, 0, 2, 1, 0]),
        ("rating", pd.Categorical(["b", "c", "b", "a", "c", "b"], ["c", "d", "b", "a"],
                                  ordered=True), ["c", "b", "a"], [1, 0, 1, 2, 0, 1]),
        ("`a rating`", ["x", "y", "x", "x", "x", "y"], ["x", "y"], [0, 1, 0, 0, 0, 1]),
    ],
)  # fmt: skip
def test_categories_are_codes_with_their_labels(outcome, column, labels, codes):
    data = read(frame().assign(**{"rating": column, "a rating": column}))
    made = design(f"{outcome} ~ x", data)
    dataset = made(data)
    assert dataset["y"].dims == ("row",)
    assert str(dataset["y"].dtype) == "float64"
    np.testing.assert_array_equal(dataset["y"], codes)
    assert list(dataset["category"].values) == list(made.categories) == labels
    assert dataset.attrs["outcome"] == made.outcome
    assert made.outcome == ("a rating" if outcome == "`a rating`" else "rating")
    # replayed: one row keeps its code among the levels of the training rows
    last = made(data.take(np.array([5])))
    np.testing.assert_array_equal(last["y"], codes[5:])
    assert list(last["category"].values) == labels
    assert intercept_only(made).formula == f"{outcome} ~ 1"
    assert pickle.loads(pickle.dumps(made)).outcome == made.outcome


@pytest.mark.parametrize("outcome", ["region", "C(region)"])
def test_an_outcome_never_seen_in_training_is_refused(outcome):
    data = table()
    train, test = data.take(np.array([0, 1, 2])), data.take(np.array([4, 3]))
    with pytest.raises(DataError, match="column 'region' holds 'west' in row 13, a level never"):
        design(f"{outcome} ~ x", train)(test)


def test_a_declared_level_need_not_be_seen_in_training():
    data = table()
    made = design("C(region, levels=['west', 'south', 'north']) ~ x", data.take(np.array([0, 1])))
    np.testing.assert_array_equal(made(data)["y"], [2, 1, 2, 0, 1, 0])


def test_a_word_among_numbers_is_no_category_of_the_outcome():
    data = read(frame().assign(y=["0", "3", "1", "two", "5", "4"]))
    with pytest.raises(DataError, match=r"column 'y' is not a number in row 13, .* 'two'"):
        design("y ~ x", data)(data)
    numbers = read(frame().assign(y=["0", "3", "1", "2", "5", "4"]))
    np.testing.assert_array_equal(design("y ~ x", numbers)(numbers)["y"], [0, 3, 1, 2, 5, 4])


@pytest.mark.parametrize(("fact", "value"), [("width", 1), ("trials", "w")])
def test_categories_have_neither_width_nor_trials(fact, value):
    data = table(**{fact: value})
    with pytest.raises(DataError, match=f"outcome 'region' has categories, and so no {fact}: leav"):
        design("region ~ x", data)(data)


@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("y ~ x", ["y", "x"]),
        ("~ log(x) * C(region, levels=['x'])", ["x", "region"]),
        ("a + `b c` ~ offset(log(t)) + bs(z, df=4) + 1", ["a", "b c", "t", "z"]),
        ("C(r, levels=['lo', 'hi']) ~ 1", ["r"]),
    ],
)
def test_the_columns_of_a_formula_are_all_that_it_names(formula, columns):
    assert columns_used(formula) == columns


# Learned on training rows, replayed on others


SEEN, HELD = np.arange(0, 40), np.arange(40, 60)


def split_frame():
    """Forty training rows and twenty others, whose numbers lie within those of the first."""
    rng = np.random.default_rng(8)
    x = np.concatenate([[0.0, 10.0], rng.uniform(0, 10, 38), rng.uniform(1, 9, 20)])
    town = np.concatenate([np.resize(["north", "south", "west"], 40), np.resize(["west"], 20)])
    return pd.DataFrame({"y": rng.poisson(3.0, 60), "x": x, "z": x[::-1], "town": town})


def replayed(formula):
    """The design of the other rows, as learned on the training rows."""
    whole = read(split_frame())
    return design(formula, whole.take(SEEN))(whole.take(HELD))["X"].to_pandas()


def test_polynomials_are_those_orthonormal_on_the_training_rows():
    # V R^-1, of the powers V and the triangle R that makes the training rows' V orthonormal
    powers = np.vander(split_frame()["x"], 3, increasing=True)
    triangle = np.linalg.qr(powers[SEEN], mode="r")
    triangle *= np.sign(np.diag(triangle))[:, None]
    expected = np.linalg.solve(triangle.T, powers[HELD].T).T[:, 1:]
    # the condition number of the powers, 1e4, times rounding
    np.testing.assert_allclose(replayed("y ~ 0 + poly(x, 2)"), expected, atol=1e-11)


def test_a_spline_keeps_the_training_quantiles_as_knots():
    x = split_frame()["x"].to_numpy()
    inner = np.quantile(x[SEEN], [1 / 3, 2 / 3])
    knots = np.concatenate([[0.0] * 4, inner, [10.0] * 4])
    expected = BSpline.design_matrix(x[HELD], knots, 3).toarray()
    found = replayed("y ~ 0 + bs(x, df=6, include_intercept=True)")
    np.testing.assert_allclose(found, expected, atol=1e-12)  # values of one, a few roundings


def test_a_natural_spline_keeps_the_training_quantiles_as_knots():
    x = split_frame()["x"].to_numpy()
    knots = np.quantile(x[SEEN], np.linspace(0, 1, 4))
    expected = CubicSpline(knots, np.eye(4), bc_type="natural")(x[HELD])
    np.testing.assert_allclose(replayed("y ~ 0 + cr(x, df=4)"), expected, atol=1e-12)


def test_interactions_of_categories_keep_the_training_levels():
    # all held-out rows are of one town, which alone would be no category at all
    found = replayed("y ~ town * center(x) + town:z")
    f = split_frame()
    centred = f["x"][HELD] - f["x"][SEEN].mean()
    expected = {
        "Intercept": 1.0,
        "town[T.south]": 0.0,
        "town[T.west]": 1.0,
        "center(x)": centred,
        "town[T.south]:center(x)": 0.0,
        "town[T.west]:center(x)": centred,
        "town[north]:z": 0.0,
        "town[south]:z": 0.0,
        "town[west]:z": f["z"][HELD],
    }
    assert set(found.columns) == set(expected)
    for term, column in expected.items():
        np.testing.assert_allclose(found[term], column, rtol=1e-15, err_msg=term)  # one rounding


# Names


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "a b", "1", "log(x)", "class", "np", "it's", 'say "x"', "a:b",
     "π", "x.y", "__import__('os')", "a\\b", "{0}", "~"],
)  # fmt: skip
def test_a_column_may_have_any_name(name):
    data = read(frame().assign(**{name: frame()["t"] * 1.0}))
    dataset = design(f"y ~ x + `{name}` + log(`{name}`)", data)(data)
    assert list(dataset["term"].values) == ["Intercept", "x", name, f"log({name})"]
    np.testing.assert_array_equal(dataset["X"][:, 2], data.frame["t"])
    np.testing.assert_allclose(dataset["X"][:, 3], np.log(data.frame["t"]))


def test_a_column_may_bear_the_name_of_a_function():
    terms = encoded("y ~ log + log(log)", frame().assign(log=frame()["x"]))
    np.testing.assert_allclose(terms["log(log)"], np.log(terms["log"]))


def test_terms_of_one_name_are_refused():
    data = read(frame().assign(**{"log(x)": 1.0}))
    with pytest.raises(DataError, match=r"two terms would both be called 'log\(x\)'"):
        design("y ~ log(x) + `log(x)`", data)(data)


@pytest.mark.parametrize(
    "factor",
    [
        "__import__('os')",
        "np.log(x)",
        "x.sum()",
        "x[0]",
        "log(x.values)",
        "eval('1')",
        "open('f')",
        "I([i for i in x])",
        "I((lambda: x)())",
        "I(x if x else y)",
        "I(x > 1)",
        "I(f'{x}')",
        "I(x, *x)",
        "log(x, out=x)",
        "log(x, where=False)",
        "center(x, _state={})",
        "center(x, **{'_state': 1})",
        "center(C(region))",
        "C(x, __builtins__)",
        "C(center(x))",
        "C(region, contr.poly())",
        "I(poly(x, 2))",
        "hashed(x, levels=9)",
        "lag(x)",
        "Q('x')",
        "exp(True)",
        "I('x')",
        "I(2)",
        "I(x := 3)",
        "{x.__class__}",
        "log(x)(x)",
        "contr.treatment(x)",
        "C(region, Treatment('north'), contrasts=Treatment('south'))",
        "C(region, Treatment('north'), Treatment('south'))",
        "C(region, levels='north')",
        "C(region, spans_intercept=False)",
        "I(x @ x)",
        "I(1j * x)",
    ],
)
def test_anything_but_the_allowed_is_refused_before_it_runs(factor):
    with pytest.raises(DataError, match="is not allowed in a formula, only names of columns"):
        design(f"y ~ {factor}", table())


def test_text_in_a_stateful_call_is_not_code():
    # formulaic 1.2 would paste this text, its quote unescaped, into source that it compiles
    factor = """bs(x, extrapolation='"] or print(x) #')"""
    with pytest.raises(
        DataError, match=r"cannot be computed: .* is not a valid SplineExtrapolation"
    ):
        design(f"y ~ {factor}", table())


def test_a_name_that_is_no_column_never_reaches_python():
    for name in ("np", "__builtins__", "print", "None"):
        with pytest.raises(DataError, match=f"no column '{name}'"):
            design(f"y ~ {name}", table())


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x +", r"formula 'y ~ x \+' cannot be read: Operator `\+`"),
        ("y ~ (x", "cannot be read"),
        ("y ~ log(x y)", "cannot be read"),
        ("y ~ `x", "cannot be read"),
        ("y ~ x ~ code", "cannot be read"),
        ("y ~ .", "name them"),
        ("y ~ x | code", "has a '|'"),
        ("y ~ 0", "has no terms"),
        ("y ~ 5:x", r"scales a term: write I\(5 \* \.\.\.\) instead"),
        ("y ~ C(x, levels=[1])", "column 'x' holds 2.0 in row 11, a level not among its levels"),
        ("~ x", "has no outcome"),
        ("x", "has no outcome"),
        ("", "has no outcome"),
        ("0 ~ x", "has no outcome"),
        ("1 ~ x", "has no outcome"),
        ("y**2 ~ x", r"has a power left of the ~, which .*: write I\(y\*\*2\)"),
        ("y^2 ~ x", r"has a power left of the ~"),
        ("y + 1 ~ x", "has a number left of the ~: name columns alone"),
        ("y:t ~ x", r"has a product left of the ~: several outcomes are a \+ b \+ c"),
        ("y * t ~ x", "has a product left of the ~"),
        ("y + region ~ x", "column 'region' is not a number in row 10, where it holds 'north'"),
        ("y + log(t) ~ x", "transforms one of several outcomes"),
        ("y + t ~ x + t", "has the outcome on its right-hand side"),
        ("y + C(region) ~ x", "has categories among several outcomes, or with contrasts: write C"),
        ("C(region, Treatment('north')) ~ x", "among several outcomes, or with contrasts"),
        ("C(region, levels=['north']) ~ x", "'south' in row 11, a level not among its levels"),
        ("C(region, levels=['a', 'a']) ~ x", "declares levels that repeat, or none"),
        ("C(region, levels=[]) ~ x", "declares levels that repeat, or none"),
        ("C(regoin) ~ x", "no column 'regoin', did you mean 'region'"),
        ("C(log(region)) ~ x", "is not allowed in a formula"),
        ("y ~ x + offset(y)", "has the outcome on its right-hand side"),
        ("y ~ x + offset(wide)", "no column 'wide'"),
        ("y ~ 0 + offset(x)", "has no terms: write ~ 1"),
        ("y ~ x:offset(t)", r"'offset\(t\)' is not allowed .* offset\(...\) of arithmetic, as a"),
        ("y ~ offset(x, t)", "is not allowed in a formula"),
        ("y ~ offset(x=t)", "is not allowed in a formula"),
        ("y ~ offset(C(region))", "is not allowed in a formula"),
        ("y ~ offset(bs(x, df=3))", "is not allowed in a formula"),
        ("y ~ offset(offset(x))", "is not allowed in a formula"),
        ("y ~ log(offset(x))", "is not allowed in a formula"),
        ("y ~ offset(__import__('os'))", "is not allowed in a formula"),
        ("y ~ offset(region)", "column 'region' is not a number in row 10"),
        ("y ~ offset(log(x - 1))", r"'offset\(log\(x - 1\)\)' is not finite in row 10: it is -inf"),
        (f"y ~ offset(x * 1{'0' * 400})", "cannot be computed"),
        ("log(y) ~ x", r"log\(y\) has no finite value, or no finite slope, in row 10"),
        ("center(y) ~ x", "no change of one outcome that can be undone"),
        ("y ~ x + y", "has the outcome on its right-hand side"),
        ("y ~ regoin", "no column 'regoin', did you mean 'region'"),
        ("Y ~ x", "no column 'Y', did you mean 'y'"),
        ("y ~ log(region)", "column 'region' is not a number in row 10"),
        ("y ~ log(x - 1)", r"the term 'log\(x - 1\)' is not finite in row 10: it is -inf"),
        ("y ~ I((x - 3) ** 0.5)", "is not finite in row 10: it is nan"),
        ("y ~ exp(x ** 9 ** 9 ** 9)", "not finite|cannot be computed"),
        (f"y ~ I(x * 1{'0' * 400})", "cannot be computed"),
        ("y ~ bs(x, nonsense=3)", r"'bs\(x, nonsense=3\)' cannot be computed"),
        ("y ~ C(region, Treatment('east'))", "cannot be computed.*'east'"),
        ("y ~ C(region, levels=['north'])", "'south' in row 11, a level not among its levels"),
    ],
)
def test_an_unusable_formula_is_refused(formula, message):
    data = table()
    with pytest.raises(DataError, match=message.replace("'|'", re.escape("'|'"))):
        design(formula, data)(data)


def test_a_further_predictor_has_no_outcome():
    with pytest.raises(DataError, match="the formula of predictor 'zero' starts with ~"):
        design("y ~ x", table(), zero="y ~ x")


def test_a_further_predictor_has_no_offset():
    with pytest.raises(
        DataError, match=r"predictor 'zero' has an offset, 'offset\(x\)', but only the main formula"
    ):
        design("y ~ x", table(), zero="~ code + offset(x)")


def test_missing_values_are_counted_by_column():
    data = frame().astype({"y": float})
    data.loc[[11, 13], "x"] = np.nan
    data.loc[12, "region"] = None
    data.loc[10, "w"] = np.nan  # not used, so not refused
    message = (
        r"missing values in x \(2, the first in row 11\), region \(1, the first in row 12\): "
        r"fill them, or drop these rows by wb\.drop_missing\(table\), in a study by missing ="
    )
    with pytest.raises(DataError, match=message):
        design("y ~ log(x) + region", read(data))


def test_a_cell_is_named_by_row_and_line(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text("y,x\n1,2\n2,3\noops,4\n")
    with pytest.raises(
        DataError, match=r"row 2 \(line 4 of visits\.csv\), where it holds 'oops': correct or drop"
    ):
        design("y ~ x", read(path))(read(path))


def test_infinite_values_are_refused():
    with pytest.raises(DataError, match="column 'x' is infinite in row 11"):
        encoded("y ~ x", frame().replace({"x": {2.0: np.inf}}))


def test_dates_are_not_numbers():
    with pytest.raises(DataError, match=r"holds datetime64.* not numbers"):
        encoded("y ~ day", frame().assign(day=pd.Timestamp("1978-01-01")))


def test_a_stray_word_does_not_make_numbers_categories():
    data = frame().assign(age=["31", "32", "n.a.", "40", "41", "42"])
    with pytest.raises(DataError, match=r"reads as numbers \(see 'n\.a\.' in row 12\)"):
        encoded("y ~ age", data)
    assert "C(age)[T.n.a.]" in encoded("y ~ C(age)", data)


@pytest.mark.parametrize("factor", ["region", "C(region)"])
def test_a_level_never_seen_in_training_is_refused(factor):
    data = table(group="person")
    train, test = data.take(np.array([0, 1, 2])), data.take(np.array([4, 3]))
    with pytest.raises(DataError, match="column 'region' holds 'west' in row 13, a level never"):
        design(f"y ~ {factor}", train)(test)


def measured(count=200):
    """Three independent columns, and what can be made of them; two towns in three lands."""
    rng = np.random.default_rng(3)
    x1, x2, x3 = rng.normal(size=(3, count)) * [[1.0], [10.0], [0.1]]
    land = np.resize(["a", "b", "c"], count)
    return pd.DataFrame(
        {
            "y": rng.poisson(3.0, count),
            "x1": x1,
            "x2": x2,
            "x3": x3,
            "one": 1.0,
            "none": 0.0,
            "mix": 2 * x1 - x2,
            "shifted": x1 - 0.12345 * x2 + 5,
            "off": -x2 - 5,
            "nearly": x1 + 1e-9 * x3,
            "stamp": 1.7e18 + 1e9 * x3,
            "almost": x1 + 1e-5 * x3,
            "year": 1990.0 + np.arange(count) % 20,
            "land": land,
            "coast": np.where(land == "a", "yes", "no"),
        }
    )


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("y ~ x1 + one", "'one' is constant in the training rows; leave out"),
        ("y ~ x1 + none", "'none' is 0 in the training rows"),
        ("y ~ 0 + none", "'none' is 0 in the training rows"),
        ("y ~ x1 + x2 + x3 + mix", "'mix' = 2 x1 - x2 in the training rows; leave out"),
        ("y ~ mix + x1 + x2", "'x2' = -mix + 2 x1 in the training rows"),
        ("y ~ 0 + x2 + x1 + I(x1 - x2)", "'I(x1 - x2)' = -x2 + x1 in the training rows"),
        ("y ~ x1 + x2 + shifted", "'shifted' = x1 - 0.123 x2 + 5 in the training rows"),
        ("y ~ x2 + off", "'off' = -x2 - 5 in the training rows"),
        ("y ~ x1 + nearly", "'nearly' = x1 in the training rows to seven digits; leave"),
        ("y ~ stamp", "'stamp' is constant in the training rows to seven digits; leave"),
        ("y ~ x1 + I(1e200 * x1)", "'I(1e+200 * x1)' = 1e+200 x1 in the training rows"),
        ("y ~ land + coast", "'coast[T.yes]' = -land[T.b] - land[T.c] + 1 in the training rows"),
        (
            "y ~ x1 + one + I(2 * x1)",
            "'one' is constant in the training rows and 'I(2 * x1)' = 2 x1 in the training rows",
        ),
        ("y ~ cr(x1, df=3)", "'cr(x1, df=3)[3]' = -cr(x1, df=3)[1] - cr(x1, df=3)[2] + 1"),
    ],
)
def test_terms_that_add_nothing_are_named_before_any_fit(formula, told):
    with pytest.raises(DataError, match=re.escape(told)) as refused:
        design(formula, read(measured()))
    assert str(refused.value).startswith(f"formula '{formula}' has terms that add nothing")


def test_long_sums_and_many_dependences_are_cut_short():
    frame = measured()
    columns = np.random.default_rng(4).normal(size=(len(frame), 9))
    frame[[f"c{j}" for j in range(9)]] = columns
    frame["sum"] = columns.sum(axis=1)
    sums = " + ".join(f"c{j}" for j in range(9)) + " + sum"
    with pytest.raises(DataError, match=r"'sum' = c0 \+ c1 .* \+ c5 and 3 terms more in the"):
        design(f"y ~ {sums}", read(frame))
    copies = " + ".join(f"I({j} * x1)" for j in range(2, 10))
    with pytest.raises(DataError, match="7 x1 in the training rows and 2 more are such"):
        design(f"y ~ x1 + {copies}", read(frame))


def test_a_further_predictors_terms_are_held_to_the_same():
    with pytest.raises(DataError, match=r"formula '~ one' has .*: 'one' is constant"):
        design("y ~ x1", read(measured()), zero="~ one")


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ 1",
        "y ~ 0 + x1",
        "y ~ 0 + one",  # the only constant there is
        "y ~ 0 + land",
        "y ~ x1 + almost",  # a hundred thousandth apart is apart
        "y ~ year + I(year ** 2)",
        "y ~ x1 + I(1e-9 * x2) + I(1e9 * x3)",  # units are no matter
        "y ~ bs(x1, df=6) + land * x2",
        "y ~ 0 + bs(x1, df=6, include_intercept=True)",
    ],
)
def test_whatever_the_rows_can_tell_apart_is_let_through(formula):
    data = read(measured())
    dataset = design(formula, data)(data)
    scaled = dataset["X"].values / np.linalg.norm(dataset["X"], axis=0)
    assert np.linalg.matrix_rank(scaled, tol=1e-8) == dataset.sizes["term"]


def test_collinear_terms_stay_where_a_prior_is_to_decide():
    data = read(measured())
    made = design("y ~ one + x1 + mix + x2", data, collinear="keep", zero="~ one")
    assert list(made(data)["term"].values) == ["Intercept", "one", "x1", "mix", "x2"]
    few = read(measured(3))
    with pytest.raises(DataError, match="has 4 terms, more than the 3 training rows can tell"):
        design("y ~ x1 + x2 + x3", few)
    assert design("y ~ x1 + x2 + x3", few, collinear="keep")(few).sizes["term"] == 4
    with pytest.raises(DataError, match="collinear is 'refuse' or 'keep', but got True"):
        design("y ~ x1", data, collinear=True)


def test_the_training_rows_alone_are_looked_at():
    data = read(measured())
    flat = read(measured().assign(x1=1.0))
    assert (design("y ~ x1", data)(flat)["X"].sel(term="x1") == 1).all()


@pytest.mark.parametrize("seed", range(8))
def test_dependences_are_those_of_a_random_null_space(seed):
    # columns x B with a random B of rank 5: lstsq on the earlier independent ones is the truth
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 9)) * 10.0 ** rng.integers(-3, 4, 9)
    found = dependences(columns)
    assert [one.column for one in found] == [5, 6, 7, 8]
    for one in found:
        expected = np.linalg.lstsq(columns[:, :5], columns[:, one.column])[0]
        # seven digits are what a condition number below 1e6 leaves, with a few to spare
        np.testing.assert_allclose(list(one.coefficients.values()), expected, rtol=1e-7)


def test_a_design_made_in_training_meets_the_held_out_rows():
    train, test = split(table(), heldout=1 / 3)
    dataset = design("y ~ x", train)(test)
    assert list(dataset["row"].values) == list(test.frame.index)
