"""Methods text of a run: sentences and references for just the steps that ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...nodes.errors import NigraError
from ...nodes.field.relaxometry import METHODS, r2star_method
from ...nodes.methods import BACKGROUND, FIELD, INVERSION, ONE_STEP, SEPARATION, Method
from ...nodes.statistics.values import name_some
from ..methods import Methods
from .group_methods import describe_group
from .references import (
    Boilerplate,
    cited_keys,
    code_span,
    join_words,
    read_references,
    to_html,
    to_markdown,
)

_FROM_BIDS = (
    'Data organised after BIDS [@gorgolewski2016] were processed with nigra {version} on Nipype '
    '[@gorgolewski2011].'
)
_IN_MEMORY = 'Phase and magnitude were processed with nigra {version}.'
_OFFSETS = {
    'mcpc3ds': 'The phase at echo time zero was estimated from the first two echoes, smoothed and '
    'subtracted (MCPC-3D-S) [@eckstein2018].',
    'parabola': 'Of the phase at echo time zero, which one echo cannot tell from the field, the '
    'parabola that a conducting head makes [@katscher2009] was estimated and subtracted.',
}
_PHASE_SIGN = {
    'auto': 'The sign of the phase was tested against the field of the head itself, and inverted '
    'where that spoke against it.',
    'keep': 'The sign of the phase was kept as stored.',
    'invert': 'The sign of the phase was inverted.',
}
_LEAST_ALTERNATING = 3
"""Echoes from which a phase that alternates can be told from the field."""
_ALTERNATING = {
    'auto': ' A phase that alternated from echo to echo, as with a bipolar readout, was removed '
    'in those in whom it was found.',
    'on': ' The phase that alternates from echo to echo with a bipolar readout was removed.',
    'off': '',
}
_R2STAR = {
    'arlo': 'R2* was fitted to the magnitude by auto-regression on linear operations (ARLO) '
    '[@pei2015].',
    'loglinear': 'R2* was fitted to the logarithm of the magnitude by weighted least squares.',
    'nonlinear': 'R2* was fitted to the magnitude by weighted non-linear least squares that allow '
    'for the floor of Rician noise [@gudbjartsson1995].',
}
_IRON = (
    'Iron content above that of the reference region followed from the mean susceptibility of '
    'nuclei in which iron dominates, by a calibration post mortem [@langkammer2012].'
)
_REFERENCE = {
    'brain': 'Susceptibility is relative to its mean over the whole brain (the QSM mask), as '
    'a consensus recommends to state [@bilgic2024].',
    'csf': 'Susceptibility is relative to its mean over the fluid of the lateral ventricles, '
    'found by its slow decay [@liu2018].',
    'none': 'Susceptibility was left without a reference region.',
    'drawn': 'Susceptibility is relative to its mean over a region that was drawn for it.',
}
_HYBRID = (
    'Substantia nigra and red nucleus were placed by the contrast of the susceptibility map as '
    'well as by that of the T1w image.'
)


def describe_methods(
    methods: Methods | None,
    echo_times: Sequence[float],
    *,
    version: str,
    group: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    single: Sequence[str] = (),
    masks: Mapping[str, Sequence[str]] | None = None,
) -> Boilerplate:
    """Methods section of what `methods` run on scans with these echoes.

    Parameters
    ----------
    methods
        What decides the participants' results; None where that is not known.
    echo_times
        Of the fullest run, s.
    version
        Of nigra.
    group, notes
        As in `methods_text`.
    single
        Runs of one echo, where `echo_times` are several.
    masks
        Runs by where their brain mask came from, `made` or `given`.

    Examples
    --------
    >>> 'MEDI' in describe_methods(Methods(inversion='medi'), [0.02], version='1').markdown
    True
    """
    made = {} if methods is None else _steps(methods, echo_times)
    if methods is not None and single:
        made['single'] = (*single,), _offset_step(methods, several=False)
    if methods is not None and masks:
        made['masks'] = masks
    return methods_text({**made, 'group': group, 'notes': notes or None}, version=version)


def describe_scan(
    methods: Methods, echo_times: Sequence[float], *, region: bool = False, version: str
) -> Boilerplate:
    """Methods section of one scan that was reconstructed in memory.

    Parameters
    ----------
    methods, echo_times, version
        As in `describe_methods`.
    region
        Whether the map is relative to a region that the user has drawn.
    """
    left_out = ('registration', 'label_contrast', 'atlases', 'iron')
    made = {k: v for k, v in _steps(methods, echo_times).items() if k not in left_out}
    if region:
        made['reference'] = 'drawn'
    return methods_text(made, version=version, opening=_IN_MEMORY)


def _steps(methods: Methods, echo_times: Sequence[float]) -> dict[str, Any]:
    """The steps of a participant, for `methods_text`."""
    several = len(echo_times) > 1
    r2star = methods.settings_of('relaxometry').get('method', METHODS[0])
    return {
        'phase_sign': methods.phase_sign,
        'unwrap': methods.field,
        'offsets': _offset_step(methods, several),
        'n_echoes': len(echo_times),
        'background': None if methods.one_step else methods.background,
        'inversion': methods.inversion,
        'r2star': r2star_method(r2star) if several else None,
        'reference': methods.reference,
        'separation': True if several and methods.separation else None,
        'iron': None if methods.reference == 'none' else True,
        'settings': methods.settings or None,
        'registration': methods.registration,
        'label_contrast': True if methods.label_contrast == 'hybrid' else None,
        'atlases': [path.name for path in methods.atlases] or None,
    }


def _offset_step(methods: Methods, several: bool) -> str | None:
    """What becomes of the phase at echo time zero."""
    asked = methods.field != 'romeo' or methods.settings_of('field').get('offsets', True)
    if not several:
        return 'parabola' if asked else None
    return 'mcpc3ds' if asked and methods.field == 'romeo' else None


def methods_text(
    steps: Mapping[str, Any], *, version: str, opening: str = _FROM_BIDS
) -> Boilerplate:
    """Write the methods section of a run.

    Parameters
    ----------
    steps
        What ran: `phase_sign`, `unwrap`, `offsets`, `n_echoes`, `background`, `inversion`,
        `r2star`, `reference`, `separation`, `iron` and `label_contrast` (True), `registration`
        (preset's name), `settings` (by step and name), `atlases` (files by name), `notes`
        (sentences on participants who were processed otherwise), `masks` (runs by where their
        brain mask came from, `made` or `given`), `single` (runs of one echo, and
        what became of their phase at echo time zero) and `group`: settings of a
        `GroupComparison`, of which `group_column` must be there. A step that did not run is None
        or absent.
    version
        Of nigra.
    opening
        First sentence, with `{version}` in it.

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
    paragraphs = [opening.format(version=version)]
    for title, names in _PARAGRAPHS:
        writers = dict(_STEPS)
        sentences = [writers[name](steps) for name in names if steps.get(name) is not None]
        if sentences:
            paragraphs.append(f'**{title}.** ' + ' '.join(sentences))
    paragraphs.append(
        'Arrays and algorithms rest on NumPy [@harris2020] and SciPy [@virtanen2020].'
    )
    entries = read_references()
    used = cited_keys(paragraphs)
    return Boilerplate(
        markdown=to_markdown(paragraphs, used, entries),
        html=to_html(paragraphs, used, entries),
        bib='\n\n'.join(entries[key]['source'] for key in sorted(used)) + '\n',
    )


def _sentences(methods: Mapping[str, Method]) -> dict[str, str]:
    return {name: method.sentence for name, method in methods.items()}


def _settings(steps: Mapping[str, Any]) -> str:
    changed = [
        f'{code_span(f"{step}.{name}")} = {code_span(value)}'
        for step, settings in steps['settings'].items()
        for name, value in settings.items()
    ]
    return f'Settings that differ from the defaults: {", ".join(changed)}.'


def _atlases(steps: Mapping[str, Any]) -> str:
    names = join_words([code_span(name) for name in steps['atlases']])
    return f'Regions of {names} were carried into acquisition space and measured alike.'


def _choose(step: str, table: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str]:
    def sentence(steps: Mapping[str, Any]) -> str:
        value = steps[step]
        if value not in table:
            raise NigraError(f'methods text knows no {step} {value!r}, only {", ".join(table)}')
        return table[value]

    return sentence


def _unwrap(steps: Mapping[str, Any]) -> str:
    echoes = steps.get('n_echoes')
    sentence = _choose('unwrap', _sentences(FIELD))(steps)
    if echoes is None:
        return sentence
    if not (isinstance(echoes, int) and echoes >= 1):
        raise NigraError(f'n_echoes must be a positive integer, got {echoes!r}')
    if echoes == 1:
        return sentence + ' The field is the phase of the single echo over its echo time.'
    settings = {'bipolar': 'auto', **(steps.get('settings') or {}).get('field', {})}
    removed = _ALTERNATING[settings['bipolar']] if echoes >= _LEAST_ALTERNATING else ''
    return (
        sentence + f'{removed} The field was fitted to the phases of up to {echoes} echoes by '
        'least squares weighted with the magnitude.'
    )


def _background(steps: Mapping[str, Any]) -> str:
    sentence = _choose('background', _sentences(BACKGROUND))(steps)
    settings = (steps.get('settings') or {}).get('background', {})
    passes = {**BACKGROUND[steps['background']].defaults, **settings}['passes']
    if passes == 1:
        return sentence
    return (
        sentence + ' The part of the local field that goes with them was estimated from the '
        f'susceptibility inside the brain and given back, in up to {passes} passes; in a person '
        'in whom a pass would have added no less than the one before, they ended there.'
    )


def _single(steps: Mapping[str, Any]) -> str:
    """What was done in runs of one echo, where the text is of several."""
    runs, offsets = steps['single']
    offset = f'{_OFFSETS[offsets]} ' if offsets else ''
    return (
        f'In {name_some(runs)} there was one echo, whose phase over its echo time is the field. '
        f'{offset}R2* was not fitted there.'
    )


def _zero_region(steps: Mapping[str, Any]) -> str:
    name = steps['reference']
    if not (isinstance(name, str) and name):
        raise NigraError(f'reference must be the name of a region, got {name!r}')
    if name in _REFERENCE:
        return _REFERENCE[name]
    return f'Susceptibility is relative to its mean over {code_span(name)} of both sides.'


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
        f'{code_span(preset)}. The gradient-echo magnitude was registered rigidly to the T1w '
        'image. '
        'Labels of the deep grey nuclei (HCPEx [@huang2022]; red nucleus: AAL3 [@rolls2020]) were '
        'carried into acquisition space by one composed transform without interpolating label '
        'values. Per nucleus and hemisphere, susceptibility was averaged over the voxels inside '
        'the QSM mask.'
    )


def _masks(steps: Mapping[str, Any]) -> str:
    made, given = (steps['masks'].get(kind, ()) for kind in ('made', 'given'))
    if not made:
        brain = 'The brain was outlined by masks that were given beside the images.'
    else:
        brain = (
            'The brain was outlined by the template’s mask, carried onto the T1w image and '
            'refined at its border by the intensities of tissue'
        )
        brain += f'; in {name_some(given)} a given mask took its place.' if given else '.'
    return f'{brain} Voxels without signal or coherent phase were left out of the QSM mask.'


_STEPS: Sequence[tuple[str, Callable[[Mapping[str, Any]], str]]] = (
    ('registration', _registration),
    ('phase_sign', _choose('phase_sign', _PHASE_SIGN)),
    ('offsets', _choose('offsets', _OFFSETS)),
    ('unwrap', _unwrap),
    ('background', _background),
    ('inversion', _choose('inversion', _sentences(INVERSION | ONE_STEP['end-to-end']))),
    ('reference', _zero_region),
    ('r2star', _choose('r2star', _R2STAR)),
    ('separation', _flag('separation', SEPARATION['r2star'].sentence)),
    ('iron', _flag('iron', _IRON)),
    ('settings', _settings),
    ('masks', _masks),
    ('label_contrast', _flag('label_contrast', _HYBRID)),
    ('atlases', _atlases),
    ('single', _single),
    ('notes', lambda steps: ' '.join(steps['notes'])),
    ('group', describe_group),
)
_PARAGRAPHS = (
    ('Anatomy and regions', ('registration', 'masks', 'label_contrast', 'atlases')),
    (
        'Susceptibility mapping',
        (
            'phase_sign',
            'offsets',
            'unwrap',
            'background',
            'inversion',
            'reference',
            'r2star',
            'separation',
            'iron',
            'settings',
        ),
    ),
    ('Differences between participants', ('single', 'notes')),
    ('Statistics', ('group',)),
)
