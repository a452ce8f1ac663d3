"""Visual reports: one self-contained HTML file each, drawn from files and tables."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from ...nodes.anatomy.quality import LEAST_RUNS, STANDS_APART
from ..files import atomic_path, data_text, save_text
from ..group_tables import GROUP_TABLES
from .figure_files import FIGURES, write_group_figures
from .provenance import Provenance
from .terms import explained, terms

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


PEOPLE = 'group_people.html'
"""The page of one person beside the others, for everybody."""
_WORDS = '<!-- words -->'
"""Where the list of terms goes, when it is known which the page has."""
_SCRIPT = '/* script */'
"""Where the script goes, in which no terms are looked for."""


def thumbnail_path(root: Path, visit: str) -> Path:
    """Where the small picture of a visit lies."""
    return root / FIGURES / f'{visit}_thumbnail.png'


@functools.cache
def environment() -> Environment:
    """Templates in `nigra.data`; they escape everything that is not marked as markup."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    found = Environment(
        loader=FunctionLoader(data_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters['explained'] = explained
    return found


def render_page(
    template: str, context: Mapping[str, Any], *, version: str, study: Provenance | None = None,
    scripts: Sequence[str] = ('report.js',),
) -> str:  # fmt: skip
    """Fill a template, which includes the style sheet and the script.

    The page's policy lets a browser run this script alone, which it knows by its hash.

    Parameters
    ----------
    template
        Name in `nigra.data`.
    context
        What it shows.
    version
        Of nigra.
    study
        What it is of, and when it was made.
    scripts
        Names in `nigra.data`; one after the other they are the page's script.
    """
    from markupsafe import Markup

    script = '\n'.join(map(data_text, scripts))
    digest = hashlib.sha256(script.encode('utf-8')).digest()
    html = environment().get_template(template).render(
        css=Markup(data_text('report.css')),
        script=Markup(_SCRIPT),
        script_hash=base64.b64encode(digest).decode('ascii'),
        version=version,
        study=study or Provenance(),
        words_here=Markup(_WORDS),
        **context,
    )  # fmt: skip
    used = {term: meaning for term, meaning in terms().items() if term in html}
    words = environment().get_template('words.html.j2').render(words=used)
    return html.replace(_WORDS, words if used else '').replace(_SCRIPT, script)


def as_data(content: Any) -> Markup:
    """Content as JSON for an element of a page, which it cannot end."""
    from markupsafe import Markup

    text = json.dumps(content, ensure_ascii=False, separators=(',', ':'))
    return Markup(text.replace('<', '\\u003c'))


def render_participant(
    *,
    participant_id: str,
    t1w: str | Path,
    t1w_brain_mask: str | Path,
    template_in_t1w: str | Path,
    runs: Sequence[Mapping[str, Any]],
    labels_in_t1w: str | Path | None = None,
    warnings: Sequence[str] = (),
    methods_html: str = '',
    versions: Mapping[str, str] | None = None,
    names: Mapping[int, str] | None = None,
    study: Provenance | None = None,
) -> str:
    """Report of one participant (or visit) as HTML.

    Parameters
    ----------
    participant_id
        Title: `sub-01` or `sub-01_ses-1`.
    t1w, t1w_brain_mask, template_in_t1w, labels_in_t1w
        Images in T1w space; the template carried into it.
    runs
        One mapping per gradient-echo run, with the entries of `participant_page.RUN_FILES`
        (`totalfield`, `localfield`, `chimap` in ppm, `r2star` in 1/s; no local field and no
        `r2star` where None), `RUN_FACTS` (`entities` with the run's `prefix`) and `RUN_WARNINGS`.
    warnings
        Of the visit and its anatomy.
    methods_html
        From `boilerplate.methods_text`; included without escaping.
    versions
        Of the software.
    names
        Region of each label; the built-in atlas's by default.
    study
        What the page is of, and when it was made.
    """
    from .participant_page import participant_context

    versions = versions or {}
    context = participant_context(
        participant_id=participant_id,
        t1w=str(t1w),
        t1w_brain_mask=str(t1w_brain_mask),
        template_in_t1w=str(template_in_t1w),
        labels_in_t1w=str(labels_in_t1w) if labels_in_t1w else None,
        runs=runs,
        warnings=warnings,
        methods_html=methods_html,
        versions=versions,
        names=names,
    )
    version = versions.get('nigra', '')
    return render_page('participant.html.j2', context, version=version, study=study)


def render_group(
    tables: Mapping[str, str | Path],
    *,
    voxel_maps: Sequence[str | Path] = (),
    warnings: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    methods_html: str = '',
    version: str = '',
    study: Provenance | None = None,
    home: str = '',
    figures_beside: Path | None = None,
) -> str:
    """Report of the group comparison as HTML; all its numbers come from the tables.

    Parameters
    ----------
    tables
        Paths by name, of `GROUP_TABLES`; regions, models, contrasts, correlations and values must
        be there. The page links to them by name, so it should lie beside them.
    voxel_maps
        Images of the voxel-wise comparison.
    warnings
        Sentences.
    settings
        `group_column`, `reference_group`, `covariates`, `scores`, `alpha`, `formulae` and any
        more.
    methods_html
        From `boilerplate.methods_text`; included without escaping.
    version
        Of nigra.
    study
        What the page is of, and when it was made.
    home
        Way from the page to the folder of the index and of people's pages: empty, or ends in a
        slash.
    figures_beside
        Folder of the page, where its pictures go as files, too; none are written by default.
    """
    from markupsafe import Markup

    from . import group_page as page
    from .quality_part import quality_table, what_stands_out

    data = page.GroupData.read(tables, settings or {}, home)
    quality = quality_table(tables['quality'], home) if 'quality' in tables else None
    context = {
        **page.group_context(data, voxelwise='clusters' in tables),
        'quality': quality,
        'stand_out': what_stands_out(quality) if quality else '',
        'home': home,
        'ways': [
            (f'{home}index.html', 'All participants'),
            (PEOPLE, 'Person by person'),
            ('group_viewer.html', 'Viewer'),
        ],
        'stands_apart': f'{STANDS_APART:g}',
        'least_runs': LEAST_RUNS,
        'voxels': page.voxel_part(tables['clusters'], voxel_maps, data.alpha)
        if 'clusters' in tables
        else None,
        'warnings': list(warnings),
        'methods': Markup(methods_html),
        'downloads': [Path(tables[name]).name for name in GROUP_TABLES if name in tables],
    }
    if figures_beside is not None:
        write_group_figures(context, figures_beside)
    return render_page('group.html.j2', context, version=version, study=study)


class PageInputSpec(BaseInterfaceInputSpec):
    """Of every step that writes a page."""

    study = traits.Dict(desc='from describe_study')
    out_file = traits.Str(mandatory=True, desc='final path')


class ShownInputSpec(PageInputSpec):
    """Of steps that write a further page of what the report of the groups shows."""

    shown = traits.Dict(mandatory=True, desc='tables, voxel_maps and settings, from GroupReport')
    version = traits.Str('', usedefault=True, desc='of nigra')
    home = traits.Str('', usedefault=True, desc='way to the index')


class PageStep(SimpleInterface):
    """A step that writes a page, whose place is outside the working folder."""

    _always_run = True

    @property
    def _study(self) -> Provenance:
        """What the page is of, made now."""
        known = self.inputs.study
        return Provenance.now(known if isdefined(known) else {})


class _ParticipantReportInputSpec(PageInputSpec):
    participant_id = traits.Str(mandatory=True, desc='title: sub-01 or sub-01_ses-1')
    t1w = File(exists=True, mandatory=True, desc='bias-corrected T1w image')
    t1w_brain_mask = File(exists=True, mandatory=True, desc='brain mask, T1w space')
    template_in_t1w = File(exists=True, mandatory=True, desc='template carried into T1w space')
    labels_in_t1w = File(exists=True, desc='deep grey labels, T1w space')
    runs = traits.List(traits.Dict, mandatory=True, desc='see render_participant')
    warnings = traits.List(traits.Str, desc='sentences on the visit')
    anat_warnings = traits.List(traits.Str, desc='sentences on the anatomy')
    methods_html = traits.Str('', usedefault=True, desc='methods text')
    versions = traits.Dict(desc='software versions')


class ReportOutputSpec(TraitedSpec):
    """Of steps that write one page."""

    out_report = File(desc='the page')


class _GroupReportOutputSpec(ReportOutputSpec):
    shown = traits.Dict(desc='tables by name, voxel_maps and settings, for the viewer')


class ParticipantReport(PageStep):
    """Write the visual report of a visit."""

    input_spec = _ParticipantReportInputSpec
    output_spec = ReportOutputSpec

    def _run_interface(self, runtime):
        given = _defined(self.inputs)
        given['study'] = self._study
        given['warnings'] = [*given.get('warnings', ()), *given.pop('anat_warnings', ())]
        out_file = given.pop('out_file')
        save_text(render_participant(**given), out_file)
        self._results['out_report'] = out_file
        return runtime


class _ThumbnailInputSpec(BaseInterfaceInputSpec):
    runs = traits.List(traits.Dict, mandatory=True, desc='files of each run, the first is drawn')
    out_file = File(mandatory=True, desc='PNG to write')


class _ThumbnailOutputSpec(TraitedSpec):
    out_file = File(desc='small picture of the map, for the page of all participants')


class Thumbnail(SimpleInterface):
    """Draw the slice of a visit's map that shows the nuclei best."""

    input_spec = _ThumbnailInputSpec
    output_spec = _ThumbnailOutputSpec

    def _run_interface(self, runtime):
        from .map_pictures import draw_thumbnail

        picture = Path(self.inputs.out_file)
        with atomic_path(picture) as temporary:
            temporary.write_bytes(draw_thumbnail(self.inputs.runs[0]))
        self._results['out_file'] = str(picture)
        return runtime


_GroupReportInputSpec = type(
    '_GroupReportInputSpec',
    (PageInputSpec,),
    {
        '__module__': __name__,
        **{f'{name}_tsv': File(exists=True, desc=f'table of {name}') for name in GROUP_TABLES},
        'voxel_maps': traits.List(File, desc='images of the voxel-wise comparison'),
        'warnings': traits.List(traits.Str, desc='sentences'),
        'settings': traits.Dict(desc='group column, covariates, formulae and so on'),
        'methods_html': traits.Str('', usedefault=True, desc='methods text'),
        'version': traits.Str('', usedefault=True, desc='of nigra'),
        'home': traits.Str('', usedefault=True, desc='way to the index'),
    },
)


class GroupReport(PageStep):
    """Write the report of the group comparison."""

    input_spec = _GroupReportInputSpec
    output_spec = _GroupReportOutputSpec

    def _run_interface(self, runtime):
        given = _defined(self.inputs)
        given['study'] = self._study
        out_file = given.pop('out_file')
        tables = {n: given.pop(f'{n}_tsv') for n in GROUP_TABLES if f'{n}_tsv' in given}
        html = render_group(tables, figures_beside=Path(out_file).parent, **given)
        save_text(html, out_file)
        self._results['out_report'] = out_file
        shown = {name: given[name] for name in ('voxel_maps', 'settings') if name in given}
        self._results['shown'] = {'tables': tables, **shown}
        return runtime


def _defined(inputs: Any) -> dict[str, Any]:
    """Inputs that were given, by name."""
    return {name: value for name, value in inputs.get().items() if isdefined(value)}
