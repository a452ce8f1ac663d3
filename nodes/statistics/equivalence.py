"""What a difference that is not significant means: tests of equivalence and Bayes factors."""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

from ..errors import NigraError

PRIOR_SCALE = math.sqrt(0.5)
"""Width of the prior on the standardised difference: half of it lies within +-.71, as by default
in R's package BayesFactor."""
_STEP = 0.01
"""Of the integral over log g, whose peak is wider than sqrt(8 / df): .03 for 10,000 people."""
_LARGEST = math.log(np.finfo(float).max)


def equivalence(estimate: float, error: float, df: float, bound: float) -> dict[str, float]:
    """Test that a difference is smaller than a bound, by two one-sided tests.

    Parameters
    ----------
    estimate, error, df
        Difference, its standard error and degrees of freedom.
    bound
        Largest difference that would not matter, in the same unit, positive.

    Returns
    -------
    dict
        `p`, small where the difference lies within +-`bound`, and the interval that holds 90 %
        (`ci_low`, `ci_high`), which lies within the bounds where p is below .05.

    Raises
    ------
    NigraError
        The bound is not positive.

    Notes
    -----
    Schuirmann 1987, doi 10.1007/BF01068419.

    Examples
    --------
    >>> {k: round(v, 4) for k, v in equivalence(0.0, 1.0, 20, 2.0).items()}
    {'p': 0.0296, 'ci_low': -1.7247, 'ci_high': 1.7247}
    """
    if not bound > 0:
        raise NigraError(f'the bound of equivalence must be positive, got {bound}')
    # H01: difference <= -bound; H02: difference >= bound; both must go, so the larger p counts
    lower = stats.t.sf((estimate + bound) / error, df)
    upper = stats.t.cdf((estimate - bound) / error, df)
    half = float(stats.t.ppf(0.95, df)) * error
    return {
        'p': float(max(lower, upper)),
        'ci_low': estimate - half,
        'ci_high': estimate + half,
    }


def bayes_factor(t: float, df: float, n_effective: float, *, scale: float = PRIOR_SCALE) -> float:
    """How much likelier the data are with a difference than without one.

    Parameters
    ----------
    t, df
        Student's t of the difference and its degrees of freedom.
    n_effective
        n_a n_b / (n_a + n_b), or with covariates the variance of the residuals over the squared
        standard error of the difference.
    scale
        Width of the Cauchy prior on the standardised difference.

    Returns
    -------
    float
        Above 1 for a difference, below for none; from 3 and 1 / 3 on usually called moderate.

    Notes
    -----
    The JZS factor of Rouder et al. 2009 (doi 10.3758/PBR.16.2.225), by one integral over the
    variance g of the effect, inverse gamma (1 / 2, scale^2 / 2).

    Examples
    --------
    >>> round(bayes_factor(0.0, 38, 10.0), 3), bayes_factor(5.0, 38, 10.0) > 1000
    (0.309, True)
    """
    if not (math.isfinite(t) and n_effective > 0):
        return math.nan
    # over x = log g by equal steps, in which the smooth integrand decays at either end: from where
    # the prior vanishes to far beyond the g that t asks for, however extreme t is
    x = np.arange(math.log(scale**2) - 8, math.log1p(t**2) + 60, _STEP)
    spread = np.log1p(n_effective * np.exp(x))
    log = (
        # marginal likelihood of t given g over that without an effect
        -0.5 * spread
        - (df + 1) / 2 * (np.log1p(t**2 / df * np.exp(-spread)) - math.log1p(t**2 / df))
        # inverse gamma (1 / 2, scale^2 / 2), which makes the prior of the effect Cauchy; dg = g dx
        + math.log(scale)
        - 0.5 * math.log(2 * math.pi)
        - 0.5 * x
        - scale**2 / 2 * np.exp(-x)
    )
    value = float(special.logsumexp(log)) + math.log(_STEP)
    return math.exp(value) if value < _LARGEST else math.nan
