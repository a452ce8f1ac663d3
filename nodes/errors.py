"""Errors that a user can act on."""

import shlex
import sys
import unicodedata


def one_line(text: str) -> str:
    r"""Text whose control characters, line ends and broken letters are written out.

    Names of files and cells of tables may hold anything; shown as they are they could break a
    message into lines, turn its direction, or steer a terminal.

    Examples
    --------
    >>> one_line('sub-01\n\x1b[2J')
    'sub-01\\n\\x1b[2J'
    """
    return ''.join(c.encode('unicode_escape').decode() if _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    category, direction = unicodedata.category(character), unicodedata.bidirectional(character)
    return category in ('Cc', 'Cs', 'Zl', 'Zp') or direction in _TURNS


_TURNS = frozenset(['LRE', 'RLE', 'LRO', 'RLO', 'PDF', 'LRI', 'RLI', 'FSI', 'PDI'])
"""Unicode's classes of characters that change the direction of what follows."""


class NigraError(ValueError):
    """An error whose message is one sentence that says what is wrong and how to correct it.

    Examples
    --------
    >>> raise NigraError('echo_times must rise, got [0.02, 0.01]; sort them')
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.NigraError: echo_times must rise, got [0.02, 0.01]; sort them
    """


class SettingError(NigraError):
    """A setting of a method that no image could make right.

    Parameters
    ----------
    name
        Of the setting.
    wanted
        What it must do or be.
    value
        What it is.

    Examples
    --------
    >>> raise SettingError('threshold', 'be positive', -1.0)
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.SettingError: threshold must be positive, got -1.0
    """

    def __init__(self, name: str, wanted: str, value: object) -> None:
        super().__init__(f'{name} must {wanted}, got {value}')
        self.name, self.wanted, self.value = name, wanted, value

    def __reduce__(self):
        """Survive pickling between worker processes."""
        return type(self), (self.name, self.wanted, self.value)


class InputError(NigraError):
    """Bad input: names the file or option, what is wrong with its value, and the fix.

    Parameters
    ----------
    where
        The file, folder or option, as the user wrote or would find it.
    problem
        What is wrong, with the value.
    fix
        What the user should do.

    Examples
    --------
    >>> print(InputError('sub-01_T2starw.json', 'EchoTime is 20', 'give it in seconds'))
    sub-01_T2starw.json: EchoTime is 20; give it in seconds.
    """

    def __init__(self, where: object, problem: str, fix: str) -> None:
        super().__init__(one_line(f'{where}: {problem}; {fix}.'))
        self.where, self.problem, self.fix = str(where), problem, fix

    def __reduce__(self):
        """Survive pickling between worker processes."""
        return type(self), (self.where, self.problem, self.fix)


def how_to_install(*packages: str) -> str:
    """Command that brings packages to the Python that runs, installed or from a clone alike.

    Examples
    --------
    >>> how_to_install('openpyxl')
    'run: ...python... -m pip install openpyxl'
    """
    return 'run: ' + shlex.join([sys.executable, '-m', 'pip', 'install', *packages])
