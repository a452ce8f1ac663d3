"""Methods text of the group level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...nodes.errors import NigraError
from ...nodes.statistics.multiplicity import ADJUSTMENT
from .references import code_span, join_words

_ADJUSTMENTS = {
    ADJUSTMENT: 'the false discovery rate of Benjamini and Hochberg [@benjamini1995]',
}


def describe_group(steps: Mapping[str, Any]) -> str:
    """Paragraph on the group level.

    Parameters
    ----------
    steps
        `group`: settings of a `GroupComparison`, of which `group_column` must be there; one
        group alone in `groups` is not compared.

    Raises
    ------
    NigraError
        It is no such mapping, or names an adjustment that is not known.
    """
    group = steps['group']
    if not (isinstance(group, Mapping) and group.get('group_column')):
        raise NigraError(f'group must be a mapping with group_column, got {group!r}')
    adjustment = group.get('adjustment')
    if adjustment is not None and adjustment not in _ADJUSTMENTS:
        known = ', '.join(_ADJUSTMENTS)
        raise NigraError(f'methods text knows no adjustment {adjustment!r}, only {known}')
    adjusted = f' by {_ADJUSTMENTS[adjustment]}' if adjustment else ''
    write = _description if _is_one(group) else _comparison
    sentences = write(group, adjusted)
    sentences += _group_extras(group)
    sentences.append(
        'Regions and measures follow a published comparison of iron in deep grey matter '
        '[@pudlac2020].'
    )
    return ' '.join(sentences)


def _is_one(group: Mapping[str, Any]) -> bool:
    """Whether there is one group alone; without any told, groups are compared."""
    return len(group.get('groups') or ()) == 1


def _comparison(group: Mapping[str, Any], adjusted: str) -> list[str]:
    covariates = [code_span(c) for c in group.get('covariates') or ()]
    model = (
        f'Groups ({code_span(group["group_column"])}) were compared per nucleus and measure by '
    )
    if covariates:
        model += f'analysis of covariance with {join_words(covariates)}'
    else:
        model += 'analysis of variance'
    values = f'p values adjusted{adjusted}' if adjusted else 'adjusted p values'
    sentences = [
        model + ' in statsmodels [@seabold2010].',
        'Pairwise differences of adjusted means are given with 95 % confidence intervals and '
        f'{values}.',
        'Left and right nuclei together were analysed by a mixed model with a random intercept '
        'for each participant. Tukey’s, Welch’s, Kruskal and Wallis’, Dunn’s and rank-based '
        'tests, two one-sided tests of equivalence [@schuirmann1987] and Bayes factors '
        '[@rouder2009] stand beside each test.',
    ]
    if group.get('permutations'):
        sentences.append(
            f'Family-wise p values are those of the largest statistic in {group["permutations"]} '
            'permutations of the residuals [@freedman1983; @winkler2014].'
        )
    if group.get('bootstraps'):
        sentences.append(
            f'Bootstrap intervals are bias-corrected and accelerated [@efron1987], from '
            f'{group["bootstraps"]} resamples within groups.'
        )
    return sentences


def _description(group: Mapping[str, Any], adjusted: str) -> list[str]:
    """What is done where there is one group."""
    covariates = [code_span(c) for c in group.get('covariates') or ()]
    sentences = ['The participants formed one group, within which nothing was compared.']
    if covariates:
        sentences.append(
            'Per nucleus and measure, values were regressed on '
            f'{join_words(covariates)} by least squares in statsmodels [@seabold2010]; slopes and '
            'means at the average of the covariates are given with 95 % confidence intervals, '
            f'and p values of slopes adjusted{adjusted}.'
        )
    else:
        sentences.append(
            'Means per nucleus and measure are given with 95 % confidence intervals of Student’s '
            't, by statsmodels [@seabold2010].'
        )
    sentences.append('Left and right nuclei were compared by their paired difference.')
    return sentences


def _group_extras(group: Mapping[str, Any]) -> list[str]:
    """Sentences on what was asked for beside the models."""
    sentences = []
    if group.get('harmonise'):
        sentences.append(
            f'Differences between the values of {code_span(group["harmonise"])} were taken out by '
            'ComBat [@johnson2007; @fortin2018].'
        )
    if group.get('voxelwise'):
        what = 'compared'
        if _is_one(group):
            what = 'tested (mean, covariates, scores)'
        sentences.append(
            f'Maps were also {what} voxel by voxel in template space, smoothed by '
            f'{group["smoothing"]:g} mm, by threshold-free cluster enhancement [@smith2009] with '
            f'{group["voxelwise"]} permutations as in nilearn [@abraham2014].'
        )
    interactions = [code_span(name) for name in group.get('interactions') or ()]
    if interactions:
        sentences.append(
            f'Interaction of the group with {join_words(interactions)} was tested in models of '
            'its own.'
        )
    scores = [code_span(s) for s in group.get('scores') or ()]
    if scores:
        sentences.append(
            f'Association with {join_words(scores)} was tested within each patient group by '
            'Spearman’s rank correlation.'
        )
    return sentences
