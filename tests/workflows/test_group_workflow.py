"""The group graph: connected throughout, results under final names, repeatable."""

import json

import pytest
from toy_cohort import make_people, timeless, write_participants, write_study

from nigra.interfaces.agreement import Told
from nigra.interfaces.methods import Methods
from nigra.nodes.statistics.question import Question
from nigra.workflows.group import init_group_wf, output_names

NAMES = output_names()


@pytest.fixture
def study(tmp_path):
    people = make_people()
    root = tmp_path / 'out'
    return root, people, write_study(root, people, shifts={'RRMS': -25.0})


def run(root, file, **options):
    workflow = init_group_wf(
        derivatives_dir=root, participants_file=file, output_dir=root, **options
    )
    workflow.base_dir = str(root / 'work')
    workflow.config['execution'] = {'crashdump_dir': str(root), 'crashfile_format': 'txt'}
    workflow.run()


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'question': Question(covariates=(), scores=())},
        {
            'question': Question(
                covariates=('age', 'C(sex)'), scores=('edss',), regions=('thalamus',)
            ),
        },
    ],
)
def test_every_input_and_output_of_the_graph_exists(study, options):
    root, _, file = study
    workflow = init_group_wf(
        derivatives_dir=root, participants_file=file, output_dir=root, **options
    )
    fed = {}
    for source, target, data in workflow._graph.edges(data=True):
        for output, field in data['connect']:
            assert output in source.outputs.copyable_trait_names()
            assert field in target.inputs.copyable_trait_names()
            fed.setdefault(target.name, set()).add(field)
    for node in workflow._graph.nodes:
        for field in node.inputs.traits(mandatory=True):
            set_now = str(getattr(node.inputs, field)) != '<undefined>'
            assert set_now or field in fed.get(node.name, ()), f'{node.name}.{field}'
    saved = {node.inputs.out_file for node in workflow._graph.nodes
             if 'out_file' in node.inputs.copyable_trait_names()}  # fmt: skip
    assert saved == {str(root / name) for name in NAMES}


def test_results_have_their_final_names_and_repeat(study):
    root, people, file = study
    run(root, file)
    first = timeless(root / name for name in NAMES)
    assert all(first.values())
    assert b'thalamus' in first['group_contrasts.tsv']
    assert b'C(group) + age + C(sex)' in first['group.html']
    run(root, file)
    assert first == timeless(root / name for name in NAMES)
    assert not list(root.glob('.part-*'))
    # a changed table of participants must not meet remembered results
    write_participants(file, people.assign(group=people.group.replace('NMO', 'AQP4')))
    run(root, file)
    assert b'AQP4 - HC' in (root / 'group_contrasts.tsv').read_bytes()
    settings = json.loads((root / 'group_models.json').read_text())
    assert settings['ReferenceGroup'] == 'HC'


def test_methods_text_tells_what_the_comparison_used(study):
    root, people, file = study
    write_participants(file, people.rename(columns={'edss': 'EDSS'}).assign(sex='F'))
    run(root, file, told=Told(Methods(inversion='medi'), (0.02,)),
        question=Question(regions=('thalamus',)))  # fmt: skip
    text = (root / 'logs' / 'CITATION.md').read_text()
    assert 'analysis of covariance with `age` in' in text
    assert 'Association with `EDSS`' in text
    assert 'MEDI' in text
    assert '<code>EDSS</code>' in (root / 'group.html').read_text()
    assert 'liu2013' in (root / 'logs' / 'CITATION.bib').read_text()


def test_labels_are_text_in_the_report(study):
    root, people, file = study
    write_participants(file, people.assign(group=people.group.replace('NMO', '<script>x')))
    run(root, file)
    page = (root / 'group.html').read_text()
    assert '<script>x' not in page
    assert '&lt;script&gt;x' in page
