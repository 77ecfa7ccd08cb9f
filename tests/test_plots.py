"""Figures show the numbers they are given, whatever the names, and touch no global setting."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from workbench import plots

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
            ("0", "1", "2+"), (0.5, 0.3, 0.2), dict.fromkeys(NAMES, (0.4, 0.4, 0.2))
        ),
        "pit": plots.pit_difference({name: rng.random(50) for name in NAMES}, 0.1),
        "loss": plots.loss_against_loss(*losses, *NAMES[2:]),
        "cumulative": plots.cumulative_difference(losses[0] - losses[1]),
    }


def test_figures_leave_the_settings_and_pyplot_alone():
    before = dict(matplotlib.rcParams)
    figures()
    assert dict(matplotlib.rcParams) == before
    assert matplotlib._pylab_helpers.Gcf.get_num_fig_managers() == 0


@pytest.mark.parametrize("which", ["difference", "chain", "counts", "pit"])
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
