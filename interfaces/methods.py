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

from ..nodes.errors import InputError, NigraError, SettingError

if TYPE_CHECKING:
    from ..nodes.methods import Method


_LABEL_CONTRASTS = ('t1w', 'hybrid')
_LARGEST_SEED = 2**31 - 1
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
        'fast',
        'registration preset: fast, precise (takes four times as long) or testing (default: '
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

    def __post_init__(self) -> None:
        # a file given twice is one atlas
        object.__setattr__(self, 'atlases', tuple(dict.fromkeys(self.atlases)))

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

    def with_settings(self, texts: Sequence[str], where: str = '--set') -> Methods:
        """The same methods with settings from `step.name=value` texts, as `--set` takes them.

        Parameters
        ----------
        texts
            The last of a name counts; a value that is the default is no change.
        where
            Option or file that they come from, for messages.

        Raises
        ------
        InputError
            A text, a name or a value is wrong, or the step does not run.

        Examples
        --------
        >>> Methods(inversion='tkd').with_settings(['inversion.threshold=0.2']).settings
        {'inversion': {'threshold': 0.2}}
        """
        from ..nodes.stages import check_values, read_setting

        steps = self.steps()
        chosen = {step: self.settings_of(step) for step in steps}
        told: dict[tuple[str, str], str] = {}
        for text in texts:
            try:
                step, name, value = read_setting(steps, text)
            except NigraError as error:
                raise _refused(where, text, error) from error
            chosen[step][name] = value
            told[step, name] = text
        for step, values in chosen.items():
            try:
                check_values(steps[step], values)
            except SettingError as error:
                raise _refused(where, told.get((step, error.name), step), error) from error
            usual = steps[step].defaults
            chosen[step] = {n: v for n, v in values.items() if n not in usual or v != usual[n]}
        return replace(self, settings={step: new for step, new in chosen.items() if new})

    def check_names(self) -> None:
        """Refuse methods that do not exist, and seeds that the registration cannot take.

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
        if not 0 <= self.random_seed <= _LARGEST_SEED:
            raise InputError(
                f'--random-seed {self.random_seed}',
                'is no seed of random numbers',
                f'give 0 to {_LARGEST_SEED}',
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
    def from_record(cls, record: Mapping[str, Any]) -> Methods:
        """Methods that a sidecar tells of; of what it does not tell the default.

        Atlases come back by name only, for their place is not told.

        Raises
        ------
        InputError
            A field has another type than it is recorded with.
        """
        usual = cls().record()
        known = {name: record[name] for name in usual if name in record}
        given = known.get('settings')
        steps = given.values() if isinstance(given, dict) else ()
        for name, value in [*known.items(), *(('settings', step) for step in steps)]:
            if type(value) is not type(usual[name]):
                raise InputError(f'Methods.{name}', f'is {value!r}', 'process again')
        if known.get('background') == 'none':
            del known['background']  # one step, which `inversion` tells
        known['atlases'] = tuple(Path(str(name)) for name in known.get('atlases', ()))
        known['settings'] = {
            step: {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
            for step, values in known.get('settings', {}).items()
        }
        return cls(**known)


OPTIONS = tuple(f for f in fields(Methods) if 'help' in f.metadata)
"""Fields that are options of their own; `settings` come from `--set`."""


def agreeing(record: Mapping[str, Any]) -> dict[str, str]:
    """Entries of a record as words, one for each field and each setting, to be compared.

    Examples
    --------
    >>> agreeing({'inversion': 'tv', 'settings': {'inversion': {'penalty': 9}}})
    {'inversion': 'tv', 'settings.inversion.penalty': '9'}
    """
    found = {f.name: _words(record[f.name]) for f in fields(Methods) if f.name in record}
    found.pop('settings', None)
    for step, given in record.get('settings', {}).items():
        found |= {f'settings.{step}.{name}': _words(value) for name, value in given.items()}
    return found


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, list | tuple):
        return ', '.join(map(str, value)) or 'none'
    return str(value)


def _refused(where: str, text: str, error: NigraError) -> InputError:
    """What is wrong with a setting, and where it was given."""
    return InputError(
        f'{where} {text}', str(error), '`nigra-stage --list-methods` shows every setting'
    )


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
