"""Every check by its code: what it compares, what it would catch, its limit, causes, and remedies.

Read by `workbench explain`, without any of the packages that the checks need.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """One check, in words."""

    rung: str  # the module of `workbench.agreement` that climbs it
    compares: str
    catches: str
    limit: str
    causes: str
    remedy: str


STATSMODELS = "maximum"
CHECKS = {
    "optimum": Explained(
        "searches",
        "The verdict on the best point that the search found.",
        "A search that stopped early, a flat direction, a parameter on its way to infinity, an "
        "edge of the support.",
        "1e-6 standard errors left to go, and a rise to either side of every direction. Several "
        "minima and a local minimum are look.",
        "Collinear terms, separated categories, a family that the data do not need.",
        "Follow the advice beside it: drop or hold what it names, rescale columns, give a start, "
        "or use MAP with an informative prior.",
    ),
    "starts": Explained(
        "searches",
        "How many of the starts ended in the best point.",
        "An optimum that one start found by luck.",
        "Two starts or more, to within half the square of a tenth of a standard error.",
        "Several optima, or a start from which the search leads out of the support.",
        "Look at fit.optimum.starts, and give starts of your own by name.",
    ),
    "precision": Explained(
        "searches",
        "Whether every number in the declaration has double precision.",
        "A literal that PyTensor holds to seven digits, which moves the log density in the eighth.",
        "None: such a literal is look.",
        "A ready pm.Model with literals such as 1e-7, declared under PyMC's default casting.",
        "Write np.float64(...), or bind a definition, which is declared in double precision.",
    ),
    "sum": Explained(
        "identities",
        "The compiled log-likelihood against the sum of the rows' terms: NLL = n x CE.",
        "A weight applied twice or not at all, a row left out, a prior in the likelihood.",
        "1e-12 of the sum of absolute terms: rounding.",
        "A fault of this workbench, or weights changed after the fit.",
        "Please report it, with the declaration.",
    ),
    "total": Explained(
        "identities",
        "Rows and prior together against the log density that PyMC gives the whole model.",
        "A Jacobian that leaked in, a term that was read twice or not at all, a rewritten density.",
        "1e-8 relative: some of PyMC's formulae lose digits in the tails that ours keep.",
        "A fault of this workbench, or a ready model that was changed after it was bound.",
        "Bind the model again; if it stays, please report it.",
    ),
    "joint": Explained(
        "identities",
        "The MAP objective against NLL less log prior.",
        "A Jacobian or a weight in the prior.",
        "1e-12 of the larger: rounding.",
        "A fault of this workbench.",
        "Please report it, with the declaration.",
    ),
    "stationary": Explained(
        "identities",
        "The sum of the rows' scores at the estimate, which is nothing at a maximum.",
        "A prior, or anything else beside the rows, that moved a maximum of the likelihood.",
        "1e-6 standard errors, and rounding of the sum.",
        "A prior that leaked in; on extreme counts, rounding.",
        "See the check 'optimum' first.",
    ),
    "gradient": Explained(
        "derivatives",
        "The exact gradient against central differences, half a standard error off the optimum.",
        "A wrong derivative: of an operation, or of a rewriting of the log density.",
        "What differences of two orders differ by, which is their truncation, and rounding.",
        "An operation whose derivative PyTensor or JAX has wrong; a kink; a density that is not "
        "smooth in its parameters.",
        "Bind with engine='pytensor' and see whether it stays.",
    ),
    "hessian": Explained(
        "derivatives",
        "The exact Hessian against central differences of the exact gradient.",
        "Standard errors from a wrong curvature.",
        "What differences of two orders differ by, which is their truncation, and rounding.",
        "An operation whose second derivative is wrong, as of a clipped or a conditional value.",
        "Bind with engine='pytensor' and see whether it stays; then trust the bootstrap.",
    ),
    "scores": Explained(
        "derivatives",
        "Each row's exact score against central differences of its log-likelihood.",
        "Wrong sandwich and clustered errors, and a wrong optimism.",
        "What differences of two orders differ by, which is their truncation, and rounding.",
        "Rows that share what is computed from all of them.",
        "Bind with engine='pytensor' and see whether it stays.",
    ),
    "density": Explained(
        "densities",
        "PyMC's log density of every row against SciPy's, at the start, the estimate and about it.",
        "Another parametrisation, parameters swapped, a normalising constant left out, a "
        "censoring or a truncation that is off by one.",
        "1e-9 relative for the worst row: two formulae in double precision.",
        "A pm.CustomDist or pm.Potential of your own; else a fault of PyMC or SciPy in a corner.",
        "The reason beside it says whether a constant differs, one that depends on parameters, or "
        "each row otherwise. Where there is no second density it is look: give log_density=.",
    ),
    "density-tails": Explained(
        "densities",
        "The same for outcomes far out: at probabilities of 1e-6 and 1 - 1e-6 in each row.",
        "A density that is right where the data are and wrong in the tails.",
        "1e-9 relative for the worst row: two formulae in double precision.",
        "A formula that loses its digits in a tail.",
        "See whether outcomes so extreme can occur; then held-out losses there are not to be "
        "trusted.",
    ),
    "statsmodels": Explained(
        STATSMODELS,
        "Whether statsmodels' GenericLikelihoodModel could search for the same maximum.",
        "Nothing by itself: it says why the checks statsmodels-... were not made.",
        "None.",
        "Its time budget ran out (look), or there is no maximum of the likelihood to agree on "
        "(n/a).",
        "Give [checks] budget more seconds, or check the free maximum-likelihood fit.",
    ),
    "statsmodels-llf": Explained(
        STATSMODELS,
        "The log-likelihood that statsmodels reaches on SciPy's density, from the model's start.",
        "A search of ours that stopped at a lower point, or another density.",
        "1e-4 nats: half the square of a hundredth of a standard error.",
        "A higher one by statsmodels is a failure of our search. A lower one on the same density "
        "is a failure of its own, and look.",
        "Compare checks.statsmodels.params with fit.params; give starts by name.",
    ),
    "statsmodels-estimate": Explained(
        STATSMODELS,
        "Each estimate by statsmodels, in our standard errors.",
        "An optimum elsewhere, a prior in the likelihood, parameters that were swapped.",
        "0.01 standard errors: no table shows so little.",
        "A flat likelihood, on which numerical derivatives stop early.",
        "See the log-likelihoods first: where they agree, the data hardly tell these values apart.",
    ),
    "statsmodels-se": Explained(
        STATSMODELS,
        "Each standard error from statsmodels' numerical second derivatives.",
        "A wrong Hessian, or a wrong map to the natural scale.",
        "1 per cent: what its steps of eps^(1/4) leave.",
        "Parameters on very different scales, for which one step does not suit all.",
        "See the check 'hessian'; rescale columns.",
    ),
    "statsmodels-aic": Explained(
        STATSMODELS,
        "AIC by both.",
        "Parameters that are counted wrongly.",
        "2e-4: twice that of the log-likelihood.",
        "The log-likelihoods differ.",
        "See the check 'statsmodels-llf'.",
    ),
    "statsmodels-better": Explained(
        STATSMODELS,
        "The log-likelihood that statsmodels finds when it starts at our estimate.",
        "An estimate of ours that is no maximum.",
        "1e-4 nats: half the square of a hundredth of a standard error.",
        "Another density, or a search of ours that stopped early.",
        "See the checks 'density' and 'optimum'.",
    ),
    "namesake": Explained(
        "namesakes",
        "Whether statsmodels' own class for this model could be fitted to the same rows.",
        "Nothing by itself: it says why the checks namesake-... were not made.",
        "None.",
        "The definition names no class, or the class takes no offset, exposure or trials.",
        "Name one: @definition(statsmodels=Equivalent(...)).",
    ),
    "namesake-llf": Explained(
        "namesakes",
        "The log-likelihood by statsmodels' own class for the model.",
        "Another model than its name says: another link, a column left out, an exposure forgotten.",
        "1e-4 nats: half the square of a hundredth of a standard error.",
        "The class leaves out a constant, or means another model.",
        "Compare the estimates: where they agree, a constant differs.",
    ),
    "namesake-estimate": Explained(
        "namesakes",
        "Each estimate by that class, with its parameters mapped to ours.",
        "A design matrix, a link or a parametrisation that is not what it is taken for.",
        "1e-4 standard errors after Newton's steps on its derivatives; 0.01 where it has none.",
        "A wrong map in the definition's Equivalent; terms in another order.",
        "Fit the class by hand, workbench.agreement.equivalent(definition, data).fit().",
    ),
    "simulator": Explained(
        "simulators",
        "The mean score of outcomes drawn from the declaration, which is zero if simulator and "
        "likelihood are one model (Hotelling's test).",
        "A random draw of another distribution, a truncation or a link that only one of them has.",
        "One false alarm in 10,000 for all the models of a study together.",
        "A pm.CustomDist whose random= is another distribution; the definition's simulate=.",
        "fit.consistency_test() names the parameters whose scores are off.",
    ),
}
