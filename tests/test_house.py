"""The house stands as CONTRIBUTING draws it: floors, rooms, and nothing that leads back up."""

import ast
import graphlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ('nodes', 'interfaces', 'workflows', 'cli')
"""From the ground up; imports only go down."""
BESIDE = ('api',)
"""Modules beside the floors that stand on them: Python's way in, as `cli` is the shell's."""
LEAVES = {'errors', 'grid', 'memory', 'parallel', 'volumes', 'fields'}
"""Modules of `nodes/` that all rooms share."""
TABLES = {'methods', 'stages', 'power'}
"""Modules of `nodes/` that stand above its rooms."""
FILES = {'nipype', 'nibabel', 'pathlib', 'shutil', 'io'}
"""What the science floor knows nothing of."""


def modules(folder):
    """Files of a floor with their dotted names from the root."""
    place = ROOT / folder
    for path in sorted(place.rglob('*.py')) or [place.with_suffix('.py')]:
        parts = path.relative_to(ROOT).with_suffix('').parts
        yield path, parts[:-1] if parts[-1] == '__init__' else parts


def imports(folder):
    """Every import of a floor: file and line, the module that imports, the one imported."""
    for path, name in modules(folder):
        package = name if path.name == '__init__.py' else name[:-1]
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            where = f'{path.relative_to(ROOT)}:{getattr(node, "lineno", 0)}'
            if isinstance(node, ast.ImportFrom) and node.level:
                base = package[: len(package) - node.level + 1]
                target = base + tuple((node.module or '').split('.') if node.module else ())
                for alias in node.names:
                    deeper = (*target, alias.name)
                    known = (ROOT.joinpath(*deeper)).with_suffix('.py').is_file()
                    yield where, name, deeper if known else target
            elif isinstance(node, ast.ImportFrom):
                yield where, name, tuple(node.module.split('.'))
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    yield where, name, tuple(alias.name.split('.'))


def room(floor, name):
    """Room of a module, or the module itself where it stands beside the rooms."""
    inside = name[1:]
    return inside[0] if inside and name[0] == floor else None


def arrows(floor):
    """Pairs of rooms (or modules beside them) of a floor, with the imports that connect them."""
    found = {}
    for where, source, target in imports(floor):
        a, b = room(floor, source), room(floor, target)
        if a and b and a != b:
            found.setdefault((a, b), []).append(where)
    return found


def rooms(floor):
    return {p.name for p in (ROOT / floor).iterdir() if (p / '__init__.py').is_file()}


@pytest.mark.parametrize('floor', FLOORS)
def test_imports_only_go_down(floor):
    above = (*FLOORS[FLOORS.index(floor) + 1 :], *BESIDE)
    up = [
        f'{where} imports {".".join(t)}'
        for where, _, t in imports(floor)
        if t[:1] and t[0] in above
    ]
    assert not up


@pytest.mark.parametrize('module', BESIDE)
def test_what_stands_beside_leaves_files_and_graphs_to_the_floors(module):
    found = [target for _, _, target in imports(module)]
    assert any(target[0] == 'interfaces' for target in found)
    assert not [t for t in found if t[0] in ('cli', *(FILES - {'pathlib'}))]


def test_science_knows_no_files():
    known = [
        f'{where} imports {target[0]}'
        for where, _, target in imports('nodes')
        if target[:1] and target[0] in FILES
    ]
    assert not known


def test_rooms_of_the_science_are_few_and_lead_one_way():
    found = arrows('nodes')
    assert 1 < len(rooms('nodes')) <= 8
    beside = {name[1] for _, name in modules('nodes') if len(name) == 2} - rooms('nodes')
    assert beside == LEAVES | TABLES
    both = {pair: found[pair] for pair in found if pair[::-1] in found}
    assert not both
    wrong = {
        pair: where
        for pair, where in found.items()
        if (pair[0] in LEAVES and pair[1] not in LEAVES)
        or (pair[1] in TABLES and pair[0] not in TABLES)
    }
    assert not wrong


@pytest.mark.parametrize('floor', FLOORS)
def test_rooms_make_no_circle(floor):
    graph = {}
    for a, b in arrows(floor):
        if floor == 'nodes' or {a, b} <= rooms(floor):
            graph.setdefault(a, set()).add(b)
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError and names it


def test_every_room_is_shipped_and_tested():
    listed = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['setuptools']['packages']
    found = {
        '.'.join(('nigra', *path.parent.relative_to(ROOT).parts))
        for floor in (*FLOORS, 'data')
        for path in (ROOT / floor).rglob('*.py')
    }
    assert found | {'nigra'} == set(listed)
    for folder in {path.parent for path in (ROOT / 'tests').rglob('test_*.py')}:
        assert (ROOT / folder.relative_to(ROOT / 'tests')).is_dir(), f'{folder} mirrors no room'


def test_a_room_that_is_forgotten_is_found():
    """The checks above read the tree: they must see what they say they see."""
    seen = arrows('nodes')
    assert ('inversion', 'numerics') in seen
    assert ('methods', 'inversion') in seen
    assert any(t[:2] == ('nodes', 'errors') for _, _, t in imports('cli'))


DANGEROUS = {
    'eval', 'exec', 'compile', 'os.system', 'os.popen', 'pickle.load', 'pickle.loads',
    'yaml.load', 'yaml.unsafe_load', 'marshal.loads', 'joblib.load', 'tempfile.mktemp',
}  # fmt: skip
"""What runs text or files, or may be raced."""


@pytest.mark.parametrize('floor', FLOORS)
def test_no_shell_and_nothing_that_runs_data(floor):
    found = []
    for path, _ in modules(floor):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            shell = [k for k in node.keywords if k.arg == 'shell']
            text = name.startswith('subprocess.') and not isinstance(node.args[0], ast.List)
            if name in DANGEROUS or shell or (text and not isinstance(node.args[0], ast.Name)):
                found.append(f'{path.relative_to(ROOT)}:{node.lineno} {name}')
            if name.endswith('np.load') and any(k.arg == 'allow_pickle' for k in node.keywords):
                found.append(f'{path.relative_to(ROOT)}:{node.lineno} {name}')
    assert not found
