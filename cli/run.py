"""Run graphs, one after the other, and say in one sentence each what failed."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError, NigraError
from .settings import TOP, Settings

LOGGER = logging.getLogger('nigra')
_OWN_ERROR = re.compile(r'^\s*nigra\.nodes\.errors\.\w+: (?P<message>.+)$', re.MULTILINE)

_REMEDIES = {
    'MemoryError|bad_alloc|Cannot allocate memory':
        'run the same command again with fewer --nprocs or a lower --mem-gb',
    'No space left|quota exceeded|File too large':
        'free space there or give another --work-dir, and run the same command again',
    'Read-only file system|Permission denied':
        'give folders that you may write to (OUTPUT_DIR, --work-dir)',
}  # fmt: skip
"""What helps, by a pattern of the error's text, where the machine is at fault and not the data."""


@dataclass
class Progress:
    """Follows Nipype's status callback: counts finished steps and collects failures.

    Attributes
    ----------
    totals
        Steps of each graph, by the name of its visit's workflow.
    failures
        Sentences by top-level workflow name.
    """

    report: Callable[[str], None]
    totals: dict[str, int] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _started: set[str] = field(default_factory=set, repr=False)
    _ended: dict[str, set[str]] = field(default_factory=dict, repr=False)

    def begin(self, totals: Mapping[str, int]) -> None:
        """Take the numbers of steps of a graph that is going to run."""
        with self._lock:
            self.totals |= totals

    def end(self, owners: Iterable[str]) -> None:
        """Forget the steps of a graph that has run; what failed is kept."""
        with self._lock:
            for owner in owners:
                self.totals.pop(owner, None)
                self._ended.pop(owner, None)
                self._started = {name for name in self._started if _owner(name) != owner}

    def __call__(self, node: Any, status: str) -> None:
        """Take one event of Nipype: `start`, `end` or `exception`."""
        name = node.fullname
        with self._lock:
            if status == 'start':
                self._started.add(name)
            elif status == 'exception':
                self.failures.setdefault(_owner(name), [])
            elif status == 'end' and self._has_run(name):
                self._count(name)

    def _count(self, name: str) -> None:
        """Report a step that has ended, once; the many of a MapNode are one step of the graph."""
        owner = _owner(name) if '.' in name else next(iter(self.totals), '')
        ended = self._ended.setdefault(owner, set())
        if name not in ended:
            ended.add(name)
            done = sum('.' in step for step in ended)
            self.report(f'[{done}/{self.totals.get(owner, 0)}] {_readable(name)}')

    def crash(self, node: Any, traceback: str) -> None:
        """Take a failure of which no crash file could be written."""
        owner, sentence = _read_crash(f'Node: {node.fullname}\n{traceback}')
        self.add(owner, sentence)

    def add(self, owner: str, sentence: str) -> None:
        """Note why a step failed, if it is one of this run: others may run beside it."""
        known = self.failures.get(owner)
        if known is not None and sentence not in known:
            known.append(sentence)

    def __getstate__(self) -> dict[str, Any]:
        # Nipype writes it with every MapNode, and a lock cannot be written
        return {name: value for name, value in vars(self).items() if name != '_lock'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def _has_run(self, name: str) -> bool:
        # Nipype's Linear plugin also says `end` of steps that it passes over after a failure.
        return name in self._started or _owner(name) not in self.failures


def _owner(fullname: str) -> str:
    """Name of the visit's workflow inside the whole graph.

    Examples
    --------
    >>> _owner('nigra_wf.sub_01_wf.anat_wf.bias')
    'sub_01_wf'
    """
    parts = fullname.split('.')
    return parts[1] if parts[0] == TOP and len(parts) > 1 else parts[0]


def _readable(fullname: str) -> str:
    """Name a step for people.

    Examples
    --------
    >>> _readable('nigra_wf.sub_01_wf.anat_wf.bias')
    'sub-01: anat bias'
    >>> _readable('group_wf.gather')
    'group: gather'
    >>> _readable('_in_template3')  # one of a MapNode, which Nipype tells without its workflow
    'group: in template 4'
    """
    several = re.fullmatch(r'_(\w+?)(\d+)', fullname)
    if several:
        return f'group: {several[1].replace("_", " ")} {int(several[2]) + 1}'
    top, *parts = fullname.split('.')
    if top != TOP:
        parts = [top, *parts]
    owner, *steps = parts
    words = ' '.join(step.removesuffix('_wf').replace('_', ' ') for step in steps)
    return f'{visit_name(owner)}: {words}'


def visit_name(owner: str) -> str:
    """Entities of a visit from its workflow's name.

    Examples
    --------
    >>> visit_name('sub_01_ses_1_wf')
    'sub-01_ses-1'
    """
    return re.sub(r'(^|_)(sub|ses)_', r'\1\2-', owner.removesuffix('_wf'))


def plugin_for(settings: Settings) -> tuple[str, dict[str, Any]]:
    """Nipype plugin and arguments: the user's file, or processes on this machine.

    One process, too, is a process of its own: then Ctrl-C is answered at once, not after a
    library's long call, and want of memory ends a step, not the run.

    Raises
    ------
    InputError
        The plugin file is not a mapping with a plugin name.
    """
    if settings.use_plugin is not None:
        return _read_plugin(settings.use_plugin)
    arguments: dict[str, Any] = {
        'n_procs': settings.nprocs,
        'raise_insufficient': False,
        'poll_sleep_duration': 0.1,
    }
    if settings.mem_gb is not None:
        arguments['memory_gb'] = settings.mem_gb
    return 'MultiProc', arguments


def check_plugin(settings: Settings) -> None:
    """Refuse a plugin file that cannot serve, of which a dry run makes no use.

    Raises
    ------
    InputError
        It is no such file, its plugin is not Nipype's, or it has no processors or memory.
    """
    path = settings.use_plugin
    if path is None:
        return
    name, arguments = _read_plugin(path)
    _plugin_kind(name, f'--use-plugin {path}')
    for key, kinds in (('n_procs', int), ('memory_gb', (int, float))):
        value = arguments.get(key, 1)
        if not isinstance(value, kinds) or isinstance(value, bool) or value <= 0:
            raise InputError(
                f'--use-plugin {path}', f'has {value!r} as {key}', 'give a number above zero'
            )


def _read_plugin(path: Path) -> tuple[str, dict[str, Any]]:
    import yaml

    fix = 'write YAML or JSON with `plugin` and `plugin_args`, such as {"plugin": "Linear"}'
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise InputError(path, f'is not a Nipype plugin file ({error})', fix) from error
    plugin = content.get('plugin') if isinstance(content, dict) else None
    if not isinstance(plugin, str):
        raise InputError(path, 'is not a Nipype plugin file (it names no `plugin`)', fix)
    arguments = content.get('plugin_args') or {}
    if not isinstance(arguments, dict):
        raise InputError(path, f'has {arguments!r} as plugin_args', 'give names with values')
    return plugin, arguments


def run_graphs(
    graphs: Iterable[tuple[str, Any]],
    settings: Settings,
    *,
    log_dir: Path,
    here: bool = False,
    ended: Callable[[str], None] | None = None,
    tell: Callable[[str], None] = LOGGER.info,
) -> dict[str, list[str]]:
    """Run Nipype workflows that do not depend on each other, and return what failed, by visit.

    Parameters
    ----------
    graphs
        Workflows with their names, each made when there is room for it.
    settings
        Of this run.
    log_dir
        Crash files go there.
    here
        Whether to run in this process, whatever the settings say.
    ended
        Is told the name of a graph when it has run, well or not.
    tell
        Takes a sentence on each step that has ended.

    Returns
    -------
    dict
        Sentences by visit (`sub-01_ses-1`); empty when all went well.
    """
    from .window import run_in_turn

    log_dir.mkdir(parents=True, exist_ok=True)
    progress = Progress(report=tell)
    before = set(log_dir.glob('crash-*.txt'))
    owners: dict[str, Counter[str]] = {}
    execution = _configure(settings, log_dir)

    def prepared() -> Iterator[tuple[str, Any]]:
        for name, graph in graphs:
            graph.config['execution'] = {**graph.config.get('execution', {}), **execution}
            owners[name] = _count_steps(graph)
            progress.begin(owners[name])
            yield name, graph

    def over(name: str) -> None:
        progress.end(owners.pop(name))
        if ended is not None:
            ended(name)

    name, arguments = ('Linear', {}) if here else plugin_for(settings)
    plugin = _make_plugin(name, {**arguments, 'status_callback': progress})
    try:
        run_in_turn(plugin, prepared(), over, stop=settings.stop_on_first_crash)
    except NigraError:
        raise
    except Exception as error:
        if not progress.failures:
            raise NigraError(f'the run stopped: {error}') from error
    finally:
        if hasattr(plugin, 'stop'):
            plugin.stop()
    return _failures(progress, set(log_dir.glob('crash-*.txt')) - before)


def _failures(progress: Progress, crashes: Iterable[Path]) -> dict[str, list[str]]:
    """Sentences by visit, with those of crash files."""
    for crash in sorted(crashes):
        text = crash.read_text(encoding='utf-8', errors='replace')
        progress.add(*_read_crash(text, crash))
    return {
        visit_name(owner): sentences or ['a step failed; see the log folder']
        for owner, sentences in progress.failures.items()
    }


def _make_plugin(name: str, arguments: dict[str, Any]) -> Any:
    """Nipype's plugin of a name, ours where we have mended it, taking graph after graph."""
    from nipype.pipeline.plugins.base import DistributedPluginBase

    from .plugin import ResilientMultiProc
    from .window import Window

    kind = _plugin_kind(name, f'plugin {name}')
    if name == 'MultiProc':
        kind = ResilientMultiProc
    elif issubclass(kind, DistributedPluginBase):
        kind = type(kind.__name__, (Window, kind), {})
    return kind(plugin_args=arguments)


def _plugin_kind(name: str, where: str) -> Any:
    """Nipype's class of a plugin; `where` it is asked for goes into the refusal."""
    from nipype.pipeline import plugins

    kind = getattr(plugins, f'{name}Plugin', None)
    if kind is None:
        fix = 'use Linear, MultiProc, SLURM'
        raise InputError(where, f'names {name}, which is no plugin of Nipype', fix)
    return kind


def _configure(settings: Settings, log_dir: Path) -> dict[str, Any]:
    """Set Nipype's options of this run, and return those of a graph."""
    from nipype import config

    execution = {
        'crashdump_dir': str(log_dir),
        'crashfile_format': 'txt',
        'stop_on_first_crash': settings.stop_on_first_crash,
        'check_version': False,
        'remove_unnecessary_outputs': True,  # most of all, what was written for ANTs to read
        'create_report': False,  # a text on every step, which nobody reads
        'poll_sleep_duration': 0.1,
    }
    config.update_config(
        {
            'execution': {
                # ConfigParser gives `%` a meaning of its own, which a path may not have
                name: (str(v).lower() if isinstance(v, bool) else str(v)).replace('%', '%%')
                for name, v in execution.items()
            }
        }
    )
    # what they say goes to the root's handler, too: with their own it would be said twice
    logging.getLogger('nipype').handlers.clear()
    for name in ('nipype.workflow', 'nipype.interface', 'nipype.utils', 'nipype'):
        logging.getLogger(name).setLevel(logging.INFO if settings.verbose else logging.CRITICAL)
    return execution


def _count_steps(graph: Any) -> Counter[str]:
    """Number of steps by the workflow that they belong to."""
    from nipype.interfaces.utility import IdentityInterface

    return Counter(
        _owner(f'{graph.name}.{name}')
        for name in graph.list_node_names()
        if not isinstance(graph.get_node(name).interface, IdentityInterface)
    )


def _read_crash(text: str, path: Path | None = None) -> tuple[str, str]:
    """Owner of a failed step, and one sentence that tells why it failed."""
    node = re.search(r'^Node: (.+)$', text, re.MULTILINE)
    owner = _owner(node.group(1).strip()) if node else 'nigra'
    own = [found.group('message').strip() for found in _OWN_ERROR.finditer(text)]
    if own:
        return owner, own[-1]  # the last of a chain is the one that names the file
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r'^[\w.]+(Error|Exception|Interrupt)\b', line)]
    step = _readable(node.group(1).strip()) if node else 'a step'
    reason = (errors or lines or ['no reason given'])[-1]
    for pattern, fix in _REMEDIES.items():
        if re.search(pattern, reason):
            return owner, f'{step} failed ({reason}); {fix}'
    return owner, f'{step} failed ({reason}); {path or "no crash file"} has the details'
