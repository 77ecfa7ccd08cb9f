"""Tables of the training rows: each left out of its fit, and those that the fits hang on."""

from workbench.findings import Findings, FitFound, ReweightedFound
from workbench.report.layout import NONE, Cell, Row, Table, cells, columns
from workbench.report.numbers import UNKNOWN, decimals, number, quantity


def left_out_table(findings: Findings) -> Table:
    """Leave-one-out by Newton steps, and of the posterior by reweighted draws, with WAIC."""
    rows = [_left_out(fit, fit.reweighted) for fit in findings.fits if fit.reweighted is not None]
    caption = (
        "CE of training rows left out, nats per row, of which the first is the plug-in density of "
        "the maximum of the likelihood, by a Newton step a row (or group). The others are of MAP's "
        "posterior predictive density, by reweighted draws of its Laplace approximation: PSIS-LOO "
        "with the largest k-hat, which must stay below 0.7, and what the number of draws leaves "
        "open; and WAIC, which adds the variance of the log density for an estimate of the same."
    )
    heading = columns("Model", "Newton step, MLE", "PSIS-LOO, posterior", "largest k-hat",
                      "WAIC, posterior", "effective parameters")  # fmt: skip
    title = "Training rows left out, two ways"
    return Table("table-left-out", title, caption, heading, tuple(rows))


def _left_out(fit: FitFound, found: ReweightedFound) -> Row:
    stepped = fit.left_out
    first = Cell(UNKNOWN) if stepped is None else Cell(quantity(stepped.cross_entropy))
    if found.reason:
        return Row((Cell(fit.name), first, Cell(NONE, found.reason), *cells(*[NONE] * 3)))
    left_open = f"± {number(found.monte_carlo, 1)} by the draws"
    return Row(
        cells(
            fit.name,
            first,
            Cell(quantity(found.cross_entropy), found.advice or left_open),
            number(found.k_hat, 2),
            quantity(found.waic),
            number(found.effective_parameters, 3),
        )
    )


def influence_table(findings: Findings) -> Table:
    """The training rows, or groups, of the largest displacement in each model."""
    rows = []
    for fit in findings.fits:
        for one in fit.influential:
            share = None if one.share is None else 100 * one.share
            rows.append(
                Row(
                    cells(
                        one.label,
                        fit.name,
                        number(one.displacement, 2),
                        decimals(share, 1),
                        number(one.leverage, 2),
                        one.parameter,
                        decimals(one.change, 2),
                    )
                )
            )
    group = findings.data.group
    unit = f"Groups by {group}" if group else "Rows"
    caption = (
        f"{unit} in the order of their displacement s'H⁻¹s: to first order twice the nats that the "
        "log-likelihood of all training rows loses at the estimate made without them; all of them "
        "together make the effective parameters, and beside it stands the share. Leverage is the "
        "share of a parameter that they take, tr H⁻¹Hᵢ. Last, the parameter that moves most "
        "without them, by a Newton step, in standard errors of the observed information."
    )
    heading = columns(group or "Row", "Model", "Displacement",
                      "% of all", "Leverage", "Moves most", "by, SE",
                      text=("Model", "Moves most"))  # fmt: skip
    title = "The training rows that the fits hang on"
    return Table("table-influence", title, caption, heading, tuple(rows))
