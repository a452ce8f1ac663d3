"""Methods text of a run: sentences and references for just the steps that ran."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

from ...nodes.errors import NigraError

_UNWRAP = {
    'romeo': 'Phase was unwrapped exactly, by region growing along the most reliable edges '
    '(ROMEO) [@dymerska2021].',
    'laplacian': 'Phase was unwrapped with its Laplacian [@schofield2003].',
}
_OFFSETS = {
    'mcpc3ds': 'The phase at echo time zero was estimated from the first two echoes, smoothed and '
    'subtracted (MCPC-3D-S) [@eckstein2018].'
}
_BACKGROUND = {
    'pdf': 'Fields of sources outside the brain were removed by projection onto dipole fields '
    '(PDF) [@liu2011].',
    'vsharp': 'Fields of sources outside the brain were removed with spherical mean values of '
    'varying radius (V-SHARP) [@schweser2011; @li2011; @wu2012].',
    'resharp': 'Fields of sources outside the brain were removed with spherical mean values and '
    'Tikhonov regularisation (RESHARP) [@sun2014].',
    'lbv': 'Fields of sources outside the brain were removed by solving the Laplacian boundary '
    'value problem (LBV) [@zhou2014].',
    'ismv': 'Fields of sources outside the brain were removed by iterated spherical mean values '
    '(iSMV) [@wen2014].',
}
_TV = (
    'Susceptibility was reconstructed by dipole inversion regularised with total variation and '
    'solved by the alternating direction method of multipliers [@bilgic2014tv; @milovic2018].'
)
_INVERSION = {
    'dual': 'Susceptibility was reconstructed together with a local frequency offset, as the '
    'microstructure of white matter makes [@wharton2012], both regularised with total variation '
    '[@milovic2018] whose edge weights were updated once [@candes2008]; the weight of the '
    'regularisation followed from the noise of the field.',
    'tv': _TV,
    'tv_admm': _TV,
    'tkd': 'Susceptibility was reconstructed by truncated k-space division [@shmueli2009].',
    'l2': 'Susceptibility was reconstructed in closed form, regularised with the squared gradient '
    '[@bilgic2014l2].',
    'rts': 'Susceptibility was reconstructed in two steps, the ill-conditioned part of k-space '
    'with a total-variation prior (RTS) [@kames2018].',
    'medi': 'Susceptibility was reconstructed by non-linear morphology-enabled dipole inversion '
    '(MEDI) [@liu2012; @liu2013].',
    'hdqsm': 'Susceptibility was reconstructed with a hybrid data fidelity term (HD-QSM) '
    '[@lambert2022].',
    'ilsqr': 'Susceptibility was reconstructed by least squares with estimation and removal of '
    'streaks (iLSQR) [@li2015].',
    'tgv2': 'Susceptibility was reconstructed by dipole inversion regularised with total '
    'generalised variation [@langkammer2015].',
    'tgv': 'Susceptibility was reconstructed from the wrapped phase in one step, regularised with '
    'total generalised variation [@langkammer2015].',
}
_INVERSION['closed_form_l2'] = _INVERSION['l2']
_R2STAR = {
    'arlo': 'R2* was fitted to the magnitude by auto-regression on linear operations (ARLO) '
    '[@pei2015].',
    'loglinear': 'R2* was fitted to the logarithm of the magnitude by weighted least squares.',
    'nonlinear': 'R2* was fitted to the magnitude by weighted non-linear least squares that allow '
    'for the floor of Rician noise [@gudbjartsson1995].',
}
_SEPARATION = (
    'Para- and diamagnetic parts of the susceptibility were separated by the decay that both add '
    'to R2*, with published relaxometric constants and without a measurement of R2 '
    '[@shin2021; @dimov2022].'
)
_IRON = (
    'Iron content above that of the reference region followed from the mean susceptibility of '
    'nuclei in which iron dominates, by a calibration post mortem [@langkammer2012].'
)
_REFERENCE = {
    'brain': 'Susceptibility is relative to its mean over the whole brain (the mask on which the '
    'map holds), as a consensus recommends to state [@bilgic2024].',
    'csf': 'Susceptibility is relative to its mean over the fluid of the lateral ventricles, '
    'found by its slow decay [@liu2018].',
    'none': 'Susceptibility was left without a reference region.',
}
_ADJUSTMENTS = {
    'holm': 'Holm’s method [@holm1979]',
    'fdr_bh': 'the false discovery rate of Benjamini and Hochberg [@benjamini1995]',
    'tukey': 'Tukey’s honest significant difference',
    'bonferroni': 'Bonferroni’s method',
}
_CODE = re.compile(r'`([^`]*)`')
_CITE = re.compile(r'\[(@\w+(?:; @\w+)*)\]')


@dataclass(frozen=True)
class Boilerplate:
    """Methods text in three forms.

    Attributes
    ----------
    markdown
        Text with author and year in place, and the list of references.
    html
        The same as a fragment; references carry links to their DOI.
    bib
        BibTeX entries of the references, no others.
    """

    markdown: str
    html: str
    bib: str


def methods_text(steps: Mapping[str, Any], *, version: str) -> Boilerplate:
    """Write the methods section of a run.

    Parameters
    ----------
    steps
        What ran: `unwrap`, `offsets`, `n_echoes`, `background`, `inversion`, `r2star`,
        `reference`, `separation` and `iron` (True), `registration` (preset's name) and `group`:
        None or a mapping with `group_column`, `covariates`, `scores`, `permutations`,
        `bootstraps`, `harmonise`, `interactions`, `voxelwise`, `smoothing` and `adjustment`, of
        which only the first must be there. A step that did not run is None or absent.
    version
        Of nigra.

    Raises
    ------
    NigraError
        A step or a value is unknown, so that no text can go stale unnoticed.

    Examples
    --------
    >>> text = methods_text({'background': 'pdf'}, version='1.0')
    >>> 'Liu et al., 2011' in text.markdown, '@article{liu2011' in text.bib
    (True, True)
    >>> methods_text({'background': 'magic'}, version='1.0')  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.NigraError: methods text knows no background 'magic', only pdf, vsharp, ...
    """
    unknown = sorted(set(steps) - {name for name, _ in _STEPS} - {'n_echoes'})
    if unknown:
        raise NigraError(f'methods text knows no step {unknown[0]!r}')
    paragraphs = [_opening(version)]
    for title, names in _PARAGRAPHS:
        writers = dict(_STEPS)
        sentences = [writers[name](steps) for name in names if steps.get(name) is not None]
        if sentences:
            paragraphs.append(f'**{title}.** ' + ' '.join(sentences))
    paragraphs.append(
        'Arrays and algorithms rest on NumPy [@harris2020] and SciPy [@virtanen2020].'
    )
    entries = read_references()
    used = _cited(paragraphs)
    return Boilerplate(
        markdown=_markdown(paragraphs, used, entries),
        html=_html(paragraphs, used, entries),
        bib='\n\n'.join(entries[key]['source'] for key in sorted(used)) + '\n',
    )


def _opening(version: str) -> str:
    return (
        f'Data organised after BIDS [@gorgolewski2016] were processed with nigra {version} on '
        'Nipype [@gorgolewski2011].'
    )


def _choose(step: str, table: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str]:
    def sentence(steps: Mapping[str, Any]) -> str:
        value = steps[step]
        if value not in table:
            raise NigraError(f'methods text knows no {step} {value!r}, only {", ".join(table)}')
        return table[value]

    return sentence


def _unwrap(steps: Mapping[str, Any]) -> str:
    echoes = steps.get('n_echoes')
    sentence = _choose('unwrap', _UNWRAP)(steps)
    if echoes is None:
        return sentence
    if not (isinstance(echoes, int) and echoes >= 1):
        raise NigraError(f'n_echoes must be a positive integer, got {echoes!r}')
    if echoes == 1:
        return sentence + ' The field is the phase of the single echo over its echo time.'
    return (
        sentence + f' The field was fitted to the phases of up to {echoes} echoes by least squares'
        ' weighted with the magnitude.'
    )


def _zero_region(steps: Mapping[str, Any]) -> str:
    name = steps['reference']
    if not (isinstance(name, str) and name):
        raise NigraError(f'reference must be the name of a region, got {name!r}')
    if name in _REFERENCE:
        return _REFERENCE[name]
    return f'Susceptibility is relative to its mean over {_code(name)} of both sides.'


def _r2star(steps: Mapping[str, Any]) -> str:
    # Auto-regression needs three echoes at least; with two the fit is log-linear.
    if steps['r2star'] == 'arlo' and steps.get('n_echoes') == 2:
        return _R2STAR['loglinear']
    return _choose('r2star', _R2STAR)(steps)


def _flag(step: str, sentence: str) -> Callable[[Mapping[str, Any]], str]:
    def write(steps: Mapping[str, Any]) -> str:
        if steps[step] is not True:
            raise NigraError(f'{step} must be True or None, got {steps[step]!r}')
        return sentence

    return write


def _registration(steps: Mapping[str, Any]) -> str:
    preset = steps['registration']
    if not (isinstance(preset, str) and preset):
        raise NigraError(f'registration must be the name of a preset, got {preset!r}')
    return (
        'T1w images were corrected for intensity bias (N4) [@tustison2010] and registered to the '
        'MNI ICBM 2009c asymmetric template [@fonov2009; @fonov2011] with ANTs [@avants2011], '
        'symmetric diffeomorphic normalisation [@avants2008], preset '
        f'{_code(preset)}. The gradient-echo magnitude was registered rigidly to the T1w image. '
        'Labels of the deep grey nuclei (HCPEx [@huang2022]; red nucleus: AAL3 [@rolls2020]) were '
        'carried into acquisition space by one composed transform without interpolating label '
        'values. Per nucleus and hemisphere, susceptibility was averaged over the voxels inside '
        'the mask on which the map holds.'
    )


def _group(steps: Mapping[str, Any]) -> str:
    group = steps['group']
    if not (isinstance(group, Mapping) and group.get('group_column')):
        raise NigraError(f'group must be a mapping with group_column, got {group!r}')
    covariates = [_code(c) for c in group.get('covariates') or ()]
    model = f'Groups ({_code(group["group_column"])}) were compared per nucleus and measure by '
    if covariates:
        model += f'analysis of covariance with {_join(covariates)}'
    else:
        model += 'analysis of variance'
    sentences = [model + ' in statsmodels [@seabold2010].']
    adjustment = group.get('adjustment')
    if adjustment is not None:
        if adjustment not in _ADJUSTMENTS:
            known = ', '.join(_ADJUSTMENTS)
            raise NigraError(f'methods text knows no adjustment {adjustment!r}, only {known}')
        sentences.append(
            'Pairwise differences of adjusted means are given with 95 % confidence intervals and '
            f'p values adjusted by {_ADJUSTMENTS[adjustment]}.'
        )
    else:
        sentences.append(
            'Pairwise differences of adjusted means are given with 95 % confidence intervals and '
            'adjusted p values.'
        )
    sentences += _group_extras(group)
    sentences.append(
        'Regions and measures follow a published comparison of iron in deep grey matter '
        '[@pudlac2020].'
    )
    return ' '.join(sentences)


def _group_extras(group: Mapping[str, Any]) -> list[str]:
    """Sentences on what was asked for beside the models."""
    sentences = [
        'Left and right nuclei together were analysed by a mixed model with a random intercept '
        'for each participant. Tukey’s, Welch’s, Kruskal and Wallis’, Dunn’s and rank-based '
        'tests, two one-sided tests of equivalence [@schuirmann1987] and Bayes factors '
        '[@rouder2009] stand beside each test.'
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
    if group.get('harmonise'):
        sentences.append(
            f'Differences between the values of {_code(group["harmonise"])} were taken out by '
            'ComBat [@johnson2007; @fortin2018].'
        )
    if group.get('voxelwise'):
        sentences.append(
            'Maps were also compared voxel by voxel in template space, smoothed by '
            f'{group["smoothing"]:g} mm, by threshold-free cluster enhancement [@smith2009] with '
            f'{group["voxelwise"]} permutations in nilearn [@abraham2014].'
        )
    interactions = [_code(name) for name in group.get('interactions') or ()]
    if interactions:
        sentences.append(
            f'Interaction of the group with {_join(interactions)} was tested in models of its own.'
        )
    scores = [_code(s) for s in group.get('scores') or ()]
    if scores:
        sentences.append(
            f'Association with {_join(scores)} was tested within each patient group by '
            'Spearman’s rank correlation.'
        )
    return sentences


_STEPS: Sequence[tuple[str, Callable[[Mapping[str, Any]], str]]] = (
    ('registration', _registration),
    ('offsets', _choose('offsets', _OFFSETS)),
    ('unwrap', _unwrap),
    ('background', _choose('background', _BACKGROUND)),
    ('inversion', _choose('inversion', _INVERSION)),
    ('reference', _zero_region),
    ('r2star', _r2star),
    ('separation', _flag('separation', _SEPARATION)),
    ('iron', _flag('iron', _IRON)),
    ('group', _group),
)
_PARAGRAPHS = (
    ('Anatomy and regions', ('registration',)),
    (
        'Susceptibility mapping',
        (
            'offsets',
            'unwrap',
            'background',
            'inversion',
            'reference',
            'r2star',
            'separation',
            'iron',
        ),
    ),
    ('Statistics', ('group',)),
)


def _code(text: object) -> str:
    """Text from tables or options as a code span that cannot end early."""
    return '`' + re.sub(r'[`\s]+', ' ', str(text)).strip() + '`'


def _join(words: Sequence[str]) -> str:
    return ' and '.join(filter(None, (', '.join(words[:-1]), words[-1])))


@functools.cache
def read_references() -> dict[str, dict[str, str]]:
    """Entries of `data/boilerplate.bib` by key; `source` holds the entry as written."""
    path = resources.files('nigra.data') / 'boilerplate.bib'
    text = path.read_text(encoding='utf-8')
    entries = {}
    for match in re.finditer(r'@\w+\{(\w+),\n(.*?)\n\}', text, re.DOTALL):
        fields = dict(re.findall(r'^  (\w+) = \{(.*)\},?$', match[2], re.MULTILINE))
        entries[match[1]] = {**fields, 'source': match[0]}
    return entries


def _cited(paragraphs: Sequence[str]) -> list[str]:
    prose = ' '.join(_CODE.sub('', text) for text in paragraphs)
    keys = [k.lstrip('@') for found in _CITE.findall(prose) for k in found.split('; ')]
    return list(dict.fromkeys(keys))


def _label(entry: Mapping[str, str]) -> str:
    """Author and year as they stand in the text."""
    names = [author.split(',')[0] for author in entry['author'].split(' and ')]
    who = names[0] if len(names) == 1 else f'{names[0]} and {names[1]}'
    return f'{who if len(names) < 3 else names[0] + " et al."}, {entry["year"]}'


def _reference(entry: Mapping[str, str]) -> str:
    """Full reference without its DOI."""
    authors = []
    for author in entry['author'].split(' and '):
        family, _, given = author.partition(', ')
        initials = ''.join(part[0] for part in re.split(r'[ -]', given) if part)
        authors.append('et al.' if author == 'others' else f'{family} {initials}'.strip())
    where = entry.get('journal') or entry.get('booktitle', '')
    volume = entry.get('volume', '')
    number = f'({entry["number"]})' if 'number' in entry else ''
    pages = entry['pages'].replace('--', '–')
    place = f'{volume}{number}:{pages}' if volume else pages
    return (
        f'{", ".join(authors)} ({entry["year"]}). {entry["title"].rstrip("?")}. {where} {place}.'
    )


def _markdown(
    paragraphs: Sequence[str], used: Sequence[str], entries: Mapping[str, Mapping[str, str]]
) -> str:
    def cite(match: re.Match[str]) -> str:
        return '(' + '; '.join(_label(entries[k.lstrip('@')]) for k in match[1].split('; ')) + ')'

    body = [_outside_code(text, lambda prose: _CITE.sub(cite, prose)) for text in paragraphs]
    lines = []
    for key in sorted(used):
        doi = entries[key].get('doi')
        link = f' [doi:{doi}](https://doi.org/{doi})' if doi else ''
        lines.append(f'- {_reference(entries[key])}{link}')
    return '# Methods\n\n' + '\n\n'.join(body) + '\n\n## References\n\n' + '\n'.join(lines) + '\n'


def _html(
    paragraphs: Sequence[str], used: Sequence[str], entries: Mapping[str, Mapping[str, str]]
) -> str:
    def cite(match: re.Match[str]) -> str:
        links = (
            f'<a href="#ref-{key}">{escape(_label(entries[key]))}</a>'
            for key in (k.lstrip('@') for k in match[1].split('; '))
        )
        return '(' + '; '.join(links) + ')'

    def prose_to_html(prose: str) -> str:
        text = re.sub(r'\*\*(.+?)\*\*', r'<strong>\1</strong>', escape(prose))
        return _CITE.sub(cite, text)

    body = ''.join(
        f'<p>{_outside_code(text, prose_to_html, lambda c: f"<code>{escape(c)}</code>")}</p>\n'
        for text in paragraphs
    )
    items = []
    for key in sorted(used):
        doi = entries[key].get('doi')
        link = f' <a href="https://doi.org/{escape(doi)}">doi:{escape(doi)}</a>' if doi else ''
        items.append(f'<li id="ref-{key}">{escape(_reference(entries[key]))}{link}</li>')
    return f'{body}<h3>References</h3>\n<ol class="references">\n' + '\n'.join(items) + '\n</ol>\n'


def _outside_code(
    text: str,
    prose: Callable[[str], str],
    code: Callable[[str], str] = lambda inner: f'`{inner}`',
) -> str:
    """Apply `prose` to what stands outside code spans and `code` to what stands inside."""
    parts = _CODE.split(text)
    return ''.join(code(part) if i % 2 else prose(part) for i, part in enumerate(parts))
