"""Figures show the numbers they are given, whatever the names, and touch no global setting."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from workbench import plots

GRID = np.linspace(-2, 2, 9)
FLAT = np.ones(9)
NAMES = ("Hurdle", "_hidden", "a$b$_c", "A name that is far too long for the side of a figure")


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def figures() -> dict[str, Figure]:
    rng = np.random.default_rng(0)
    losses = rng.gamma(1.0, 2.0, (2, 500))
    return {
        "difference": plots.difference_intervals(NAMES, (0, 0.1, 0.2, 0.3), (0, 0.1, 0.1, 0.1), 2),
        "chain": plots.training_and_heldout(NAMES, (1.0, 2, 3, 4), (1.1, 2.1, 3.1, 4.1), 5.0),
        "counts": plots.count_frequencies(
            ("0", "1", "2+"), (0.5, 0.3, 0.2), dict.fromkeys(NAMES, (0.4, 0.4, 0.2)), 0.05
        ),
        "pit": plots.pit_difference({name: rng.random(50) for name in NAMES}, 0.1),
        "coverage": plots.interval_coverage(NAMES, {0.5: [(0.4, 0.1)] * 4, 0.8: [(0.8, 0.1)] * 4}),
        "worm": plots.score_quantiles(GRID, dict.fromkeys(NAMES, 2 * GRID), (-FLAT, FLAT)),
        "reliability": plots.reliability(
            dict.fromkeys(NAMES, ((0.1, 0.9), (0.2, 0.8))),
            dict.fromkeys(NAMES, ((0.1, 0.9), (0.0, 0.8), (0.3, 1.0))),
            dict.fromkeys(NAMES, rng.random(50)),
        ),
        "learning": plots.learning_curves(
            dict.fromkeys(NAMES, ((10, 20, 100), ((3.0, np.nan, 1.0), (4.0, 2.0, 1.0)))),
            dict.fromkeys(NAMES, ((10, 100), (3.0, 1.0))),
            dict.fromkeys(NAMES, 0.9),
        ),
        "loss": plots.loss_against_loss(*losses, *NAMES[2:]),
        "cumulative": plots.cumulative_difference(losses[0] - losses[1]),
    }


def test_figures_leave_the_settings_and_pyplot_alone():
    before = dict(matplotlib.rcParams)
    figures()
    assert dict(matplotlib.rcParams) == before
    assert matplotlib._pylab_helpers.Gcf.get_num_fig_managers() == 0


@pytest.mark.parametrize(
    "which",
    ["difference", "chain", "counts", "pit", "coverage", "worm", "reliability", "learning"],
)
def test_every_model_is_named_even_one_that_matplotlib_would_hide(which):
    shown = " ".join(texts(figures()[which]))
    assert all(name[:20] in shown for name in NAMES)


def test_a_dollar_in_a_name_is_no_mathematics():
    figure = figures()["chain"]
    figure.draw_without_rendering()
    named = [text for text in figure.findobj(Text) if text.get_text() == "a$b$_c"]
    assert named
    assert not any(text.get_parse_math() for text in named)


def test_whiskers_reach_the_limit():
    figure = plots.difference_intervals(("a", "b"), (0.0, 0.5), (0.0, 0.1), 2.5)
    whisker = figure.axes[0].collections[1].get_segments()[0][:, 0]
    np.testing.assert_allclose(whisker, (0.25, 0.75))


def test_an_unknown_error_draws_a_dot_without_a_whisker():
    figure = plots.difference_intervals(("a", "b"), (0.0, 0.5), (0.0, np.nan), 2.0)
    assert "SE" not in " ".join(texts(figure)).replace("SE above", "")


def test_the_pit_curve_is_the_ecdf_less_uniform():
    pit = np.random.default_rng(1).beta(2, 1, 400)
    line = plots.pit_difference({"a": pit}, 0.05).axes[0].lines[-1]
    grid, drawn = line.get_data()
    expected = stats.ecdf(pit).cdf.evaluate(grid) - grid
    np.testing.assert_allclose(drawn, expected, atol=1e-12)  # rounding of a subtraction


def test_the_feet_are_the_differences_of_the_roots():
    observed, expected = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    figure = plots.count_frequencies(("0", "1", "2+"), observed, {"a": expected}, 0.05)
    bars, feet = figure.axes
    drawn = feet.lines[0].get_ydata()
    np.testing.assert_allclose(drawn, np.sqrt(observed) - np.sqrt(expected), rtol=1e-12)
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], observed)


def test_a_worm_is_the_difference_from_the_normal():
    figure = plots.score_quantiles(GRID, {"a": 1.5 * GRID}, (-FLAT, FLAT))
    x, away = figure.axes[0].lines[-1].get_data()
    np.testing.assert_allclose(away, 0.5 * x, atol=1e-12)
    assert figure.axes[0].get_ylim() == pytest.approx((-1.1, 1.1))  # the band and the curve
    far = plots.score_quantiles(GRID, {"a": 9 * GRID}, (-FLAT, FLAT))
    assert far.axes[0].get_ylim() == (-plots.HIGHEST_WORM, plots.HIGHEST_WORM)


def test_coverage_reaches_two_errors_to_either_side():
    figure = plots.interval_coverage(("a",), {0.5: [(0.4, 0.03)], 0.95: [(0.9, 0.01)]})
    whiskers = [axes.collections[0].get_segments()[0][:, 0] for axes in figure.axes]
    np.testing.assert_allclose(whiskers, [(34, 46), (88, 92)])


def test_learning_dots_are_the_mean_of_the_parts_that_have_an_optimum():
    figure = figures()["learning"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots[0].get_ydata(), (3.5, 2.0, 1.0))
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert shown == ["10", "20", "100"]


def test_the_cumulative_curve_ends_at_the_mean_and_starts_with_the_extreme_row():
    d = np.random.default_rng(2).normal(0.1, 1, 999)
    ranks, curve = plots.cumulative_difference(d).axes[0].lines[-1].get_data()
    assert ranks[-1] == 999
    assert curve[-1] == pytest.approx(d.mean(), rel=1e-12)
    assert curve[0] == pytest.approx(d[np.abs(d).argmax()] / 999, rel=1e-12)


def test_the_binned_scatter_draws_one_square_a_cell_at_most():
    losses = np.random.default_rng(3).gamma(1.0, 2.0, (2, 100_000))
    axes = plots.loss_against_loss(*losses, "a", "b").axes[0]
    squares = sum(len(line.get_xdata()) for line in axes.lines[1:])
    assert 0 < squares <= plots.GRID_CELLS**2


def test_losses_below_zero_are_drawn():
    losses = np.random.default_rng(4).normal(-2, 3, (2, 300))
    axes = plots.loss_against_loss(*losses, "a", "b").axes[0]
    assert axes.get_xlim()[0] < np.arcsinh(losses.min())


def relative_luminance(colour: str) -> float:
    """WCAG 2.2's definition."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_colours_stand_out_from_the_paper():
    for colour in (*plots.SERIES, plots.INK, plots.MUTED):
        contrast = 1.05 / (relative_luminance(colour) + 0.05)
        assert contrast >= 4.5, colour  # what WCAG asks of small text
