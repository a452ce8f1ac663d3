"""What models adjust for: covariates chosen by name, checked, and coded as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError

DEFAULT_COVARIATES = ('age', 'sex')
DEFAULT_SCORES = ('edss',)
_SEX_COLUMNS = ('sex', 'gender')
_SEX_CODES = {'m': 'M', 'male': 'M', 'f': 'F', 'female': 'F', 'o': 'O', 'other': 'O'}


@dataclass(frozen=True)
class Covariate:
    """A column that the models adjust for.

    Attributes
    ----------
    name
        Column of the participants' table.
    categorical
        Whether its values are names rather than amounts.
    """

    name: str
    categorical: bool

    @property
    def term(self) -> str:
        """As it stands in a formula.

        Examples
        --------
        >>> Covariate('sex', True).term, Covariate('disease duration', False).term
        ('C(sex)', 'Q("disease duration")')
        """
        return formula_term(self.name, categorical=self.categorical)


def formula_term(name: str, *, categorical: bool) -> str:
    """Column name as a term of a model formula."""
    text = name.replace('\\', r'\\').replace('"', r'\"')
    quoted = name if name.isidentifier() else f'Q("{text}")'
    return f'C({quoted})' if categorical else quoted


def read_covariate(text: str) -> tuple[str, bool]:
    """Column that an option names, and whether it asks for its numbers to be categories.

    Examples
    --------
    >>> read_covariate('age'), read_covariate('C(site)')
    (('age', False), ('site', True))
    """
    explicit = re.fullmatch(r'C\((.+)\)', text)
    return (explicit[1], True) if explicit else (text, False)


def check_column(name: str, offered: Sequence[str], option: str, source: str) -> None:
    """Raise InputError where a column is not among those offered."""
    if name not in offered:
        raise InputError(
            source,
            f'has no column {name!r}',
            what_to_give(name, offered, option),
        )


def what_to_give(name: str, offered: Sequence[str], option: str) -> str:
    """What to write in place of a column that is not among those offered.

    Examples
    --------
    >>> what_to_give('age,sex', ['age', 'sex'], '--covariates')
    'write --covariates age sex, with spaces between'
    >>> what_to_give('weight', ['age', 'sex'], '--covariates')
    'give --covariates one of age, sex'
    """
    parts = [part.strip() for part in re.split('[,;]', name)]
    if len(parts) > 1 and all(part in offered for part in parts):
        return f'write {option} {" ".join(parts)}, with spaces between'
    return f'give {option} one of {", ".join(offered) or "its columns (it has none)"}'


def choose_covariates(
    people: pd.DataFrame, offered: Sequence[str], asked: Sequence[str] | None,
    group_column: str, source: str, interactions: Sequence[str] = (),
) -> tuple[tuple[Covariate, ...], list[str]]:  # fmt: skip
    """Covariates asked for, or age and sex where they can serve; and warnings.

    Parameters
    ----------
    people
        One row per participant with a group.
    offered
        Columns of the participants' table.
    asked
        Columns by name; `C(name)` treats numbers as categories. None for the default.
    group_column, source
        For messages.
    interactions
        Columns whose interaction with the group is asked for, which makes them covariates.

    Raises
    ------
    InputError
        One is not there, is the column of groups, or has less than two values.
    """
    chosen: list[Covariate] = []
    warnings: list[str] = []
    if asked is None:
        chosen, warnings = _default_covariates(people, offered, group_column, source)
    for option, text in [
        *(('--covariates', text) for text in asked or ()),
        *(('--interactions', text) for text in interactions),
    ]:
        name, explicit = read_covariate(text)
        check_column(name, offered, option, source)
        known = name in [c.name for c in chosen]
        if known and option == '--interactions':
            continue
        if name == group_column or known:
            wrong = 'names a covariate again' if known else 'is the column of groups'
            raise InputError(f'{option} {text}', wrong, 'leave it out')
        _check_varies(people[name], option, source)
        chosen.append(Covariate(name, explicit or _is_categorical(people, name, source)))
    return tuple(chosen), warnings


def _check_varies(values: pd.Series, option: str, source: str) -> None:
    if values.nunique() < 2:
        found = 'no value' if values.isna().all() else 'one value only'
        raise InputError(
            source, f'covariate {values.name!r} has {found}', f'give {option} without it'
        )


def _default_covariates(
    people: pd.DataFrame, offered: Sequence[str], group_column: str, source: str
) -> tuple[list[Covariate], list[str]]:
    """Age and sex as far as they are there and vary; what cannot serve is a warning, no error."""
    chosen: list[Covariate] = []
    warnings = []
    for default in DEFAULT_COVARIATES:
        name = default if default in offered else _same_in_any_case(default, offered)
        if name == group_column:
            continue
        if name is None or people[name].isna().all():
            warnings.append(f'{source} tells no {default}, so models do not adjust for it.')
        elif people[name].nunique() == 1:
            value = people[name].dropna().iloc[0]
            value = value if isinstance(value, str) else f'{value:g}'
            warnings.append(f'{name} is {value} for everyone, so models do not adjust for it.')
        else:
            chosen.append(Covariate(name, _is_categorical(people, name, source)))
    return chosen, warnings


def _same_in_any_case(name: str, offered: Sequence[str]) -> str | None:
    return next((c for c in offered if c.casefold() == name.casefold()), None)


def _is_categorical(people: pd.DataFrame, name: str, source: str) -> bool:
    """Text columns hold categories, unless they are numbers with a slip of the pen."""
    if name.casefold() in _SEX_COLUMNS:
        return True
    if pd.api.types.is_numeric_dtype(people[name]):
        return False
    known = people[name].dropna()
    numbers = pd.to_numeric(known, errors='coerce')
    # mostly numbers: a word among them (`>80`, `unknown`) must not make each age a category
    wrong = known[numbers.isna()]
    if numbers.notna().sum() > len(known) / 2 and len(wrong):
        raise InputError(
            source,
            f'{name} of {wrong.index[0]} is {wrong.iloc[0]!r}, which is no number',
            f'give a number or n/a, or ask for C({name}) if its values are categories',
        )
    return True


def one_spelling_of_sex(people: pd.DataFrame) -> pd.DataFrame:
    """BIDS allows several spellings, which must not become several sexes."""
    changed = {}
    for name in people.columns:
        if str(name).casefold() in _SEX_COLUMNS:
            text = people[name].map(str, na_action='ignore')
            changed[name] = text.map(lambda v: _SEX_CODES.get(v.casefold(), v), na_action='ignore')
    return people.assign(**changed)


def choose_scores(
    people: pd.DataFrame, offered: Sequence[str], asked: Sequence[str] | None,
    group_column: str, source: str,
) -> tuple[tuple[str, ...], list[str]]:  # fmt: skip
    """Clinical scores asked for, or `edss` where it is present; and warnings.

    Parameters
    ----------
    people, offered, asked, group_column, source
        As in `choose_covariates`.

    Raises
    ------
    InputError
        One is not there, or holds something else than numbers.
    """
    warnings: list[str] = []
    chosen: list[str] = []
    for text in dict.fromkeys(DEFAULT_SCORES if asked is None else asked):
        name = text
        # asked for by default only, so its absence is told and not refused
        if text in DEFAULT_SCORES and text not in offered:
            name = _same_in_any_case(text, offered) or ''
            if not name:
                warnings.append(f'{source} tells no {text}, so nothing is correlated with it.')
                continue
        check_column(name, offered, '--scores', source)
        known = people[name].dropna()
        if name == group_column or not (known.empty or pd.api.types.is_numeric_dtype(known)):
            bad = pd.to_numeric(known, errors='coerce').isna()
            who = known.index[bad][0] if bad.any() else known.index[0]
            raise InputError(
                source,
                f'{name} of {who} is {known[who]!r}, which is no score',
                'give numbers or n/a',
            )
        chosen.append(name)
    return tuple(chosen), warnings


def check_covariates(
    people: pd.DataFrame, labels: pd.Series, covariates: Sequence[Covariate], source: str
) -> None:
    """Make sure that every covariate adds something to the group and those before it.

    Parameters
    ----------
    people
        Participants with all covariates.
    labels
        Their groups.
    covariates
        In order.
    source
        For messages.

    Raises
    ------
    InputError
        One is constant or collinear.
    """
    # one after the other, so that the message names the first that adds nothing to the rank
    matrix = group_columns(labels, sorted(labels.unique()))
    for covariate in covariates:
        added = covariate_columns(people[covariate.name], covariate)
        wider = np.hstack([matrix, added])
        if not added.any() or np.linalg.matrix_rank(wider) < wider.shape[1]:
            raise InputError(
                source,
                f'covariate {covariate.name!r} adds nothing to the group and the covariates '
                f'before it among the {len(people)} participants who have all of them',
                'give --covariates without it',
            )
        matrix = wider


def group_columns(labels: pd.Series, groups: Sequence[str]) -> np.ndarray:
    """Indicator of each group, (participants, groups)."""
    return np.column_stack([(labels == g).to_numpy(float) for g in groups])


def covariate_columns(values: pd.Series, covariate: Covariate) -> np.ndarray:
    """Columns of a design matrix: standardised amounts, or indicators of all but one level."""
    if covariate.categorical:
        # the groups' indicators sum to one, so an indicator of every level would be collinear
        levels = sorted(values.astype(str).unique())[1:]
        columns = [(values.astype(str) == level).to_numpy(float) for level in levels]
        return np.column_stack(columns) if columns else np.zeros((len(values), 0))
    amounts = values.to_numpy(float)
    spread = amounts.std() or 1.0  # scale does not change any test, only the rounding
    return ((amounts - amounts.mean()) / spread)[:, None]
