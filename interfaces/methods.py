"""Everything that decides a participant's results, as one value.

`Methods` is made once from the command line and carried whole: into the graphs, the sidecars, the
key by which runs resume, and the methods text. A field that is added here is an option of the
command, is recorded, and must agree between the participants of a study; nothing else lists them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..nodes.errors import InputError, NigraError

if TYPE_CHECKING:
    from ..nodes.methods import Method


_LABEL_CONTRASTS = ('t1w', 'hybrid')
PHASE_SIGNS = ('auto', 'keep', 'invert')
"""What to do about the phase's sign: invert it where the image says so, never, or always."""


def _option(default: Any, text: str, **argument: Any) -> Any:
    """Field of `Methods` with the words and the argparse keywords of its option."""
    return dataclasses.field(default=default, metadata={'help': text, **argument})


@dataclass(frozen=True)
class Methods:
    """What decides a participant's results, beside the images themselves.

    Attributes
    ----------
    field, background, inversion
        Methods by name, from `nodes.methods.STEPS`; `inversion` may be one of
        `ONE_STEP['end-to-end']`, which takes the background's step along.
    reference
        `none`, `brain`, `csf` or a region.
    separation
        Whether the map is separated into para- and diamagnetic parts where echoes allow it.
    registration
        Preset of `data/registration.json`.
    atlases
        Label images of the user; see `anatomy.user_atlas.atlas_source`.
    label_contrast
        `t1w`, or `hybrid` for that of the susceptibility map, too.
    phase_sign
        `auto`, which inverts the phase where the image says that its sign is wrong; `keep`; or
        `invert`.
    random_seed
        Of the registration.
    settings
        Settings of the steps that differ from their defaults, by step and name, typed.
    """

    field: str = _option(
        'romeo', 'unwrapping and total field (default: %(default)s)', metavar='METHOD'
    )
    background: str = _option(
        'pdf', 'background field removal (default: %(default)s)', metavar='METHOD'
    )
    inversion: str = _option(
        'dual',
        'dipole inversion (default: %(default)s), or tgv for one step from the phase; '
        '`nigra-stage --list-methods` shows all',
        metavar='METHOD',
    )
    reference: str = _option(
        'brain',
        'region of zero susceptibility: brain, csf (ventricles; several echoes), none, or a '
        'nucleus such as thalamus (default: %(default)s)',
        metavar='REGION',
    )
    separation: bool = _option(
        False,
        'also separate para- from diamagnetic susceptibility where there are several echoes',
        action='store_true',
    )
    registration: str = _option(
        'precise',
        'registration preset: precise, fast (a third of the time) or testing (default: '
        '%(default)s)',
        metavar='PRESET',
    )
    atlases: tuple[Path, ...] = _option(
        (),
        'label images of your own, each with a dseg.tsv beside it, in MNI152NLin2009cAsym; '
        '{participant} in the path makes it one image for each participant, in T1w space',
        type=Path,
        nargs='+',
        metavar='FILE',
    )
    label_contrast: str = _option(
        't1w',
        'contrast that places substantia nigra and red nucleus: that of the T1w image, or that '
        'of the susceptibility map, too (default: %(default)s)',
        choices=_LABEL_CONTRASTS,
    )
    phase_sign: str = _option(
        'auto',
        'sign of the phase: auto inverts it where the field of the head itself speaks against it, '
        'keep never does, invert always (default: %(default)s)',
        choices=PHASE_SIGNS,
    )
    random_seed: int = _option(
        20200101, 'seed of the registration (default: %(default)s)', type=int, metavar='N'
    )
    settings: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def one_step(self) -> bool:
        """Whether the map comes from the phase at once, without a step for the background."""
        from ..nodes.methods import ONE_STEP

        return self.inversion in ONE_STEP['end-to-end']

    def steps(self) -> dict[str, Method]:
        """The steps that run, where there are several echoes, by the names that users give them.

        Raises
        ------
        InputError
            A method does not exist.
        """
        from ..nodes.methods import ONE_STEP, STEPS

        self.check_names()
        chosen = {'field': STEPS['field'][self.field]}
        if self.one_step:
            chosen['inversion'] = ONE_STEP['end-to-end'][self.inversion]
        else:
            chosen['background'] = STEPS['background'][self.background]
            chosen['inversion'] = STEPS['inversion'][self.inversion]
        chosen['relaxometry'] = next(iter(STEPS['relaxometry'].values()))
        if self.separation:
            chosen['separation'] = next(iter(STEPS['separation'].values()))
        return chosen

    def settings_of(self, step: str) -> dict[str, Any]:
        """Settings of a step that differ from its defaults."""
        return dict(self.settings.get(step, {}))

    def with_settings(self, texts: Sequence[str]) -> Methods:
        """The same methods with settings from `step.name=value` texts, as `--set` takes them.

        Raises
        ------
        InputError
            A text, a name or a value is wrong, or the step does not run.

        Examples
        --------
        >>> Methods(inversion='tkd').with_settings(['inversion.threshold=0.2']).settings
        {'inversion': {'threshold': 0.2}}
        """
        from ..nodes.stages import check_values, read_settings

        pairs = {}
        for text in texts:
            key, equals, value = text.partition('=')
            if not (equals and key.strip()):
                raise InputError(f'--set {text}', 'has no value', 'write --set STEP.NAME=VALUE')
            pairs[key.strip()] = value.strip()
        steps = self.steps()
        try:
            read = read_settings(steps, pairs)
            for step, chosen in read.items():
                check_values(steps[step], chosen)
        except NigraError as error:
            raise InputError(
                f'--set {" ".join(pairs)}',
                str(error),
                '`nigra-stage --list-methods` shows every setting',
            ) from error
        merged = {step: {**self.settings_of(step), **new} for step, new in read.items()}
        return replace(self, settings={step: new for step, new in merged.items() if new})

    def check_names(self) -> None:
        """Refuse methods that do not exist.

        Raises
        ------
        InputError
            Names the choices.
        """
        for option, names in _choices().items():
            value = getattr(self, option)
            if value not in names:
                raise InputError(
                    f'--{option.replace("_", "-")} {value}',
                    'does not exist',
                    f'use {" or ".join(names)}',
                )

    def record(self) -> dict[str, Any]:
        """What sidecars tell: every field; of atlases the file's name, for its place is private.

        Examples
        --------
        >>> Methods(atlases=(Path('mine/seg-x_dseg.nii.gz'),)).record()['atlases']
        ['seg-x_dseg.nii.gz']
        >>> Methods(inversion='tgv').record()['background']
        'none'
        """
        known = dataclasses.asdict(self)
        known['atlases'] = [path.name for path in self.atlases]
        if self.one_step:
            known['background'] = 'none'
        return known

    @classmethod
    def from_record(cls, record: Mapping[str, Any], otherwise: Methods) -> Methods:
        """Methods that a sidecar tells of; what it does not tell is taken from `otherwise`."""
        known = {
            f.name: record[f.name]
            for f in fields(cls)
            if f.name in record and f.name != 'atlases' and record[f.name] != 'none'
        }
        if 'reference' in record:
            known['reference'] = record['reference']  # here `none` is a choice
        return replace(otherwise, **known)


OPTIONS = tuple(f for f in fields(Methods) if 'help' in f.metadata)
"""Fields that are options of their own; `settings` come from `--set`."""


def agreeing(sidecar: Mapping[str, Any]) -> dict[str, str]:
    """Entries of a sidecar's `Methods` as words, one for each field, to be compared.

    Examples
    --------
    >>> agreeing({'Methods': {'inversion': 'tv', 'settings': {'inversion': {'penalty': 9}}}})
    {'inversion': 'tv', 'settings': 'inversion.penalty=9'}
    """
    record = sidecar.get('Methods')
    if not isinstance(record, Mapping):
        return {}
    return {f.name: _words(record[f.name]) for f in fields(Methods) if f.name in record}


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = [f'{step}.{name}={v}' for step, s in value.items() for name, v in s.items()]
        return ', '.join(sorted(pairs)) or 'defaults'
    if isinstance(value, list):
        return ', '.join(map(str, value)) or 'none'
    return str(value)


def _choices() -> dict[str, list[str]]:
    """Values that exist, by field."""
    from ..nodes.methods import ONE_STEP, STEPS
    from .anatomy.atlas import region_table, with_wholes
    from .anatomy.itk import presets

    labelled = sorted(set(with_wholes(region_table())['region']))
    return {
        'field': list(STEPS['field']),
        'background': list(STEPS['background']),
        'inversion': [*STEPS['inversion'], *ONE_STEP['end-to-end']],
        'reference': ['brain', 'csf', 'none', *labelled],
        'registration': list(presets()),
        'label_contrast': list(_LABEL_CONTRASTS),
        'phase_sign': list(PHASE_SIGNS),
    }
