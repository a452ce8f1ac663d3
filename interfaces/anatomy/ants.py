"""Nipype interfaces of the anatomical half: alignment, bias, brain mask, labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from numpy.typing import NDArray

from ...nodes.anatomy.brain import refine_brain_mask
from ...nodes.anatomy.similarity import dice
from ...nodes.errors import InputError
from ..files import save_image
from ..headers import load_data
from ..tables import save_table
from .alignment import (
    Pair,
    align_deep_grey,
    align_gre,
    align_susceptibility,
    align_whole_brain,
    template_on_t1w,
)
from .atlas import TEMPLATE_SPACE, Atlas, load_dgm_atlas
from .bias import without_bias
from .itk import Engine, Volume, load_preset, read_volume, write, write_like
from .labels import Drawn, draw_labels, labels_on, save_fractions
from .user_atlas import AtlasSource, read_atlas, source_of

BRAIN_ML = (850.0, 2400.0)
"""Volumes of adult brains with the fluid around them, mL; others are reported."""
BEYOND_MM = 100.0
"""How far around a slab labels are counted, so that what it cuts off is known."""
LEAST_PRIOR_OVERLAP = 0.85
LEAST_TEMPLATE_CORRELATION = 0.5
LEAST_NMI = 1.02
MOST_MOTION_MM, MOST_TURN_DEG = 40.0, 30.0


class _EngineInputSpec(BaseInterfaceInputSpec):
    preset = traits.Str('precise', usedefault=True, desc='entry of data/registration.json')
    nthreads = traits.Int(1, usedefault=True, desc='threads of costly stages')
    random_seed = traits.Int(1, usedefault=True, desc='of random sampling')


def _engine(inputs: Any) -> Engine:
    return Engine(nthreads=inputs.nthreads, seed=inputs.random_seed)


def _parameters(inputs: Any, step: str) -> dict[str, Any]:
    """What a step did, for sidecars."""
    import importlib.metadata

    return {
        'software': f'antspyx {importlib.metadata.version("antspyx")}',
        'preset': inputs.preset,
        'settings': load_preset(inputs.preset)[step],
        'threads': inputs.nthreads,
        'random_seed': inputs.random_seed,
    }


class _AlignTemplateInputSpec(_EngineInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, with or without skull')


class _AlignTemplateOutputSpec(TraitedSpec):
    t1w_to_template = File(desc='transform of the whole brain')
    template_to_t1w = File(desc='the same, inverted')
    prior = File(desc='brain of the template on the T1w grid')
    quality = traits.Dict(desc='similarity of the start')
    parameters = traits.Dict(desc='what was done')


class AlignTemplate(SimpleInterface):
    """Align a head with the brain template, coarsely, and pull the template's mask back."""

    input_spec = _AlignTemplateInputSpec
    output_spec = _AlignTemplateOutputSpec

    def _run_interface(self, runtime):
        pair, prior, quality = align_whole_brain(
            Path(self.inputs.t1w),
            Path(runtime.cwd),
            _engine(self.inputs),
            load_preset(self.inputs.preset),
        )
        self._results.update(
            t1w_to_template=str(pair.forward),
            template_to_t1w=str(pair.inverse),
            prior=str(prior),
            quality=quality,
            parameters=_parameters(self.inputs, 'whole_brain'),
        )
        return runtime


class _CorrectBiasInputSpec(_EngineInputSpec):
    in_file = File(exists=True, mandatory=True, desc='3D image')
    mask = File(exists=True, desc='where the field is fitted; what is bright if absent')
    entry = traits.Enum('bias', 'gre_bias', usedefault=True, desc='settings within the preset')


class _CorrectBiasOutputSpec(TraitedSpec):
    out_file = File(desc='image divided by the field, on its own grid')
    parameters = traits.Dict(desc='what was done')


class CorrectBias(SimpleInterface):
    """Remove the bias field by N4, fitted on coarse voxels."""

    input_spec = _CorrectBiasInputSpec
    output_spec = _CorrectBiasOutputSpec

    def _run_interface(self, runtime):
        image = read_volume(self.inputs.in_file, canonical=True)
        mask = None
        if isdefined(self.inputs.mask):
            mask = read_volume(self.inputs.mask, canonical=True, must_vary=False).data > 0.5
        settings = load_preset(self.inputs.preset)[self.inputs.entry]
        flat = without_bias(image, mask, Path(runtime.cwd), _engine(self.inputs), settings)
        out_file = write_like(flat, self.inputs.in_file, Path(runtime.cwd) / 'corrected.nii.gz')
        self._results.update(
            out_file=str(out_file), parameters=_parameters(self.inputs, self.inputs.entry)
        )
        return runtime


class _BrainMaskInputSpec(BaseInterfaceInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    prior = File(exists=True, mandatory=True, desc='mask from registration')
    given = File(exists=True, desc='mask to use instead, in the space of the T1w image')


class _BrainMaskOutputSpec(TraitedSpec):
    brain_mask = File(desc='refined mask')
    quality = traits.Dict(desc='brain volume and overlap with the prior')
    warnings = traits.List(traits.Str, desc='what looks wrong')


class BrainMask(SimpleInterface):
    """Sharpen a registered brain mask by tissue intensities, or take one that is given."""

    input_spec = _BrainMaskInputSpec
    output_spec = _BrainMaskOutputSpec

    def _run_interface(self, runtime):
        image = read_volume(self.inputs.t1w)
        prior = read_volume(self.inputs.prior, must_vary=False).data > 0.5
        if not prior.any():
            raise InputError(
                self.inputs.t1w,
                'could not be matched with the brain template: no brain was found in it',
                'check that it shows a whole head and that its header is right',
            )
        if isdefined(self.inputs.given):
            mask = given_mask(Path(self.inputs.given), image)
        else:
            mask = refine_brain_mask(image.data, prior, image.voxel_size)
        out_file = Path(runtime.cwd) / 'brain_mask.nii.gz'
        save_image(mask, image.affine, out_file, dtype=np.uint8)
        volume = float(mask.sum() * np.prod(image.voxel_size) / 1000)
        overlap = dice(mask, prior)
        self._results.update(
            brain_mask=str(out_file),
            quality={'brain_ml': volume, 'prior_overlap': overlap},
            warnings=_mask_warnings(volume, overlap, float(mask.mean())),
        )
        return runtime


def given_mask(path: Path, image: Volume) -> NDArray[np.bool_]:
    """Mask of a file on the grid of an image, by the nearest voxel.

    Parameters
    ----------
    path
        Zero outside the brain; may have another grid in the same world coordinates.
    image
        Whose grid is wanted.

    Raises
    ------
    InputError
        The file holds no mask, or one that lies elsewhere.
    """
    from scipy import ndimage

    if not np.isfinite(load_data(path)).all():
        raise InputError(path, 'holds values that are not finite', 'give 1 in the brain, else 0')
    mask = read_volume(path, must_vary=False)
    inside = mask.data > 0
    if inside.all() or not inside.any():
        raise InputError(path, 'is no mask: all voxels are alike', 'give 1 in the brain, else 0')
    if len(np.unique(mask.data)) > 2:
        raise InputError(path, 'holds more than two values', 'give 1 in the brain, else 0')
    to_mask = np.linalg.inv(mask.affine) @ image.affine
    drawn = (
        ndimage.affine_transform(
            inside.astype(np.uint8), to_mask[:3, :3], to_mask[:3, 3], image.data.shape, order=0
        )
        > 0
    )
    kept = drawn.sum() * np.prod(image.voxel_size)
    if kept < 0.9 * inside.sum() * np.prod(mask.voxel_size):
        raise InputError(
            path, 'lies partly outside the T1w image', 'give a mask in the space of the T1w image'
        )
    return np.asarray(drawn)


def _mask_warnings(volume: float, overlap: float, fraction: float) -> list[str]:
    warnings = []
    low, high = BRAIN_ML
    if not low <= volume <= high:
        warnings.append(
            f'the brain mask holds {volume:.0f} mL, outside {low:.0f} to {high:.0f}; look at it'
        )
    if overlap < LEAST_PRIOR_OVERLAP:
        warnings.append(
            f'brain mask and registered template brain overlap by {overlap:.2f} (Dice), below '
            f'{LEAST_PRIOR_OVERLAP}: the registration may have failed; look at the mask'
        )
    if fraction > 0.95:
        warnings.append(f'the brain mask fills {fraction:.0%} of the T1w image; look at it')
    return warnings


class _AlignDeepGreyInputSpec(_EngineInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    t1w_to_template = File(exists=True, mandatory=True, desc='whole-brain transform')
    template_to_t1w = File(exists=True, mandatory=True, desc='the same, inverted')


class _AlignDeepGreyOutputSpec(TraitedSpec):
    t1w_to_template_xfm = File(desc='composed transform')
    template_to_t1w_xfm = File(desc='the same, inverted')
    quality = traits.Dict(desc='displacement and volume change over the nuclei')
    parameters = traits.Dict(desc='what was done')


class AlignDeepGrey(SimpleInterface):
    """Refine the alignment around the deep grey nuclei."""

    input_spec = _AlignDeepGreyInputSpec
    output_spec = _AlignDeepGreyOutputSpec

    def _run_interface(self, runtime):
        pair, quality = align_deep_grey(
            Path(self.inputs.t1w),
            Pair(Path(self.inputs.t1w_to_template), Path(self.inputs.template_to_t1w)),
            Path(runtime.cwd),
            _engine(self.inputs),
            load_preset(self.inputs.preset),
        )
        self._results.update(
            t1w_to_template_xfm=str(pair.forward),
            template_to_t1w_xfm=str(pair.inverse),
            quality=quality,
            parameters=_parameters(self.inputs, 'deep_grey'),
        )
        return runtime


class _TemplateOnT1wInputSpec(_EngineInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    brain_mask = File(exists=True, mandatory=True, desc='its brain')
    template_to_t1w_xfm = File(exists=True, mandatory=True, desc='composed transform')


class _TemplateOnT1wOutputSpec(TraitedSpec):
    template_in_t1w = File(desc='template on the T1w grid')
    labels_in_t1w = File(desc='deep grey labels on the T1w grid')
    quality = traits.Dict(desc='agreement of template and T1w')
    warnings = traits.List(traits.Str, desc='what looks wrong')


class TemplateOnT1w(SimpleInterface):
    """Carry template and labels onto the T1w grid and judge the registration."""

    input_spec = _TemplateOnT1wInputSpec
    output_spec = _TemplateOnT1wOutputSpec

    def _run_interface(self, runtime):
        template, labels, quality = template_on_t1w(
            Path(self.inputs.t1w),
            Path(self.inputs.brain_mask),
            Path(self.inputs.template_to_t1w_xfm),
            Path(runtime.cwd),
            _engine(self.inputs),
            load_dgm_atlas(),
        )
        value = quality['template_correlation']
        warnings = []
        if not value >= LEAST_TEMPLATE_CORRELATION:
            warnings.append(
                f'T1w and {TEMPLATE_SPACE} correlate by {value:.2f} inside the brain, below '
                f'{LEAST_TEMPLATE_CORRELATION}: the registration has probably failed; look at '
                'the report and consider leaving this participant out'
            )
        self._results.update(
            template_in_t1w=str(template),
            labels_in_t1w=str(labels),
            quality=quality,
            warnings=warnings,
        )
        return runtime


class _AlignGreInputSpec(_EngineInputSpec):
    gre_magnitude = File(exists=True, mandatory=True, desc='3D magnitude, bias field removed')
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    brain_mask = File(exists=True, mandatory=True, desc='brain on the T1w grid')


class _AlignGreOutputSpec(TraitedSpec):
    gre_to_t1w_xfm = File(desc='rigid transform')
    t1w_to_gre_xfm = File(desc='the same, inverted')
    quality = traits.Dict(desc='similarity, shift and turn')
    warnings = traits.List(traits.Str, desc='what looks wrong')
    parameters = traits.Dict(desc='what was done')


class AlignGre(SimpleInterface):
    """Align a gradient-echo magnitude rigidly with the T1w image."""

    input_spec = _AlignGreInputSpec
    output_spec = _AlignGreOutputSpec

    def _run_interface(self, runtime):
        pair, quality = align_gre(
            Path(self.inputs.gre_magnitude),
            Path(self.inputs.t1w),
            Path(self.inputs.brain_mask),
            Path(runtime.cwd),
            _engine(self.inputs),
            load_preset(self.inputs.preset),
        )
        self._results.update(
            gre_to_t1w_xfm=str(pair.inverse),
            t1w_to_gre_xfm=str(pair.forward),
            quality=quality,
            warnings=_gre_warnings(quality),
            parameters=_parameters(self.inputs, 'gre_to_t1w'),
        )
        return runtime


def _gre_warnings(quality: dict[str, float]) -> list[str]:
    warnings = []
    if quality['nmi'] < LEAST_NMI:
        warnings.append(
            f'gradient echo and T1w agree little after registration (normalised mutual '
            f'information {quality["nmi"]:.3f}, below {LEAST_NMI}): it has probably failed; look '
            'at the report'
        )
    if quality['nmi'] < quality['nmi_headers'] - 0.002:
        warnings.append(
            f'gradient echo and T1w agree less after registration ({quality["nmi"]:.3f}) than by '
            f'their headers ({quality["nmi_headers"]:.3f}); look at the report'
        )
    shift, turn = quality['shift_mm'], quality['turn_deg']
    if shift > MOST_MOTION_MM or turn > MOST_TURN_DEG:
        warnings.append(
            f'between T1w and gradient echo the head seems to have moved by {shift:.0f} mm and '
            f'{turn:.0f} degrees; check that both show the same person'
        )
    return warnings


class _AlignSusceptibilityInputSpec(_EngineInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    t1w_to_template_xfm = File(exists=True, mandatory=True, desc='composed transform')
    template_to_t1w_xfm = File(exists=True, mandatory=True, desc='the same, inverted')
    gre_to_t1w_xfm = File(exists=True, mandatory=True, desc='rigid transform')


class _AlignSusceptibilityOutputSpec(TraitedSpec):
    template_to_t1w_xfm = File(desc='refined transform')
    quality = traits.Dict(desc='how far labels moved')
    parameters = traits.Dict(desc='what was done')


class AlignSusceptibility(SimpleInterface):
    """Refine labels by the contrast of the susceptibility map, where T1w contrast is faint."""

    input_spec = _AlignSusceptibilityInputSpec
    output_spec = _AlignSusceptibilityOutputSpec

    def _run_interface(self, runtime):
        inputs = self.inputs
        pair = Pair(Path(inputs.t1w_to_template_xfm), Path(inputs.template_to_t1w_xfm))
        refined, quality = align_susceptibility(
            Path(inputs.t1w),
            Path(inputs.chimap),
            pair,
            Path(inputs.gre_to_t1w_xfm),
            Path(runtime.cwd),
            _engine(inputs),
            load_preset(inputs.preset),
        )
        self._results.update(
            template_to_t1w_xfm=str(refined),
            quality=quality,
            parameters=_parameters(inputs, 'susceptibility'),
        )
        return runtime


class _LabelGreInputSpec(_EngineInputSpec):
    gre_magnitude = File(exists=True, mandatory=True, desc='its grid is the acquisition grid')
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    brain_mask = File(exists=True, mandatory=True, desc='brain on the T1w grid')
    template_to_t1w_xfm = File(exists=True, mandatory=True, desc='composed transform')
    t1w_to_gre_xfm = File(exists=True, mandatory=True, desc='rigid transform')
    atlas = traits.Dict(desc='AtlasSource of a user; the built-in atlas if absent')
    on_t1w = traits.Bool(False, usedefault=True, desc='draw the labels on the T1w grid, too')


class _LabelGreOutputSpec(TraitedSpec):
    brain_mask_in_gre = File(desc='brain on the acquisition grid')
    t1w_in_gre = File(desc='T1w on the acquisition grid')
    dseg = File(desc='labels on the acquisition grid')
    dseg_tsv = File(desc='their names')
    labels_in_t1w = File(desc='labels on the T1w grid')
    fractions = File(desc='fraction of each voxel that labels fill, and their whole size (.npz)')
    quality = traits.Dict(desc='fraction of the brain within the field of view')
    warnings = traits.List(traits.Str, desc='what looks wrong')


class LabelGre(SimpleInterface):
    """Carry brain mask, T1w and labels onto the acquisition grid, each by one interpolation."""

    input_spec = _LabelGreInputSpec
    output_spec = _LabelGreOutputSpec

    def _run_interface(self, runtime):
        inputs, folder = self.inputs, Path(runtime.cwd)
        engine, source = _engine(inputs), source_of(inputs.atlas)
        atlas = read_atlas(source)
        grid = read_volume(inputs.gre_magnitude)
        reference = write(grid, folder / 'reference.nii')
        rigid = Path(inputs.t1w_to_gre_xfm)
        t1w, brain = read_volume(inputs.t1w), read_volume(inputs.brain_mask, must_vary=False)
        seen = engine.resample(write(t1w, folder / 't1w.nii'), reference, [rigid])
        mask = engine.resample(write(brain, folder / 'brain.nii'), reference, [rigid]) > 0.5
        if not mask.any():
            raise InputError(
                inputs.gre_magnitude,
                'shows no part of the brain that the T1w image shows',
                'check that both are of one person and that their headers are right',
            )
        transforms = _to_gre(source, Path(inputs.template_to_t1w_xfm), rigid, folder, engine)
        drawn = draw_labels(grid, atlas, transforms, folder, engine, beyond_mm=BEYOND_MM)
        labels = drawn.labels
        fraction = mask.sum() * np.prod(grid.voxel_size)
        fraction /= max(float((brain.data > 0.5).sum() * np.prod(t1w.voxel_size)), 1.0)
        table = label_table(atlas)
        if inputs.on_t1w:
            on_t1w = labels_on(t1w, atlas, transforms[:-1] or [_identity(folder, engine)], folder,
                               engine)  # fmt: skip
            self._results['labels_in_t1w'] = str(
                save_image(on_t1w, t1w.affine, folder / 'on_t1w.nii.gz', dtype=on_t1w.dtype)
            )
        self._results.update(
            brain_mask_in_gre=str(
                save_image(mask, grid.affine, folder / 'brain_in_gre.nii.gz', dtype=np.uint8)
            ),
            t1w_in_gre=str(save_image(seen, grid.affine, folder / 't1w_in_gre.nii.gz')),
            dseg=str(save_image(labels, grid.affine, folder / 'dseg.nii.gz', dtype=labels.dtype)),
            dseg_tsv=str(save_table(table, folder / 'dseg.tsv')),
            fractions=str(save_fractions(drawn, folder / 'fractions.npz')),
            quality={'brain_in_view': float(fraction)},
            warnings=_missing_labels(drawn, atlas, table),
        )
        return runtime


def _identity(folder: Path, engine: Engine) -> Path:
    return engine.linear_transform(np.eye(4), folder / 'same_place.mat')


def _to_gre(
    source: AtlasSource | None, template_to_t1w: Path, rigid: Path, folder: Path, engine: Engine
) -> list[Path]:
    """Transforms from an atlas to the gradient echo, by the space that it is in."""
    space = source.space if source else TEMPLATE_SPACE
    return {'GRE': [_identity(folder, engine)], 'T1w': [rigid]}.get(
        space, [template_to_t1w, rigid]
    )


def label_table(atlas: Atlas | None = None) -> Any:
    """Table of a `dseg` image as BIDS wants it: index and name, here with region, side, whole."""
    regions = (atlas or load_dgm_atlas()).regions
    simple = regions[regions['index'].notna()].copy()
    simple['index'] = simple['index'].astype(int)
    simple['name'] = simple['region'] + '_' + simple['hemisphere']
    columns = ['index', 'name', 'region', 'hemisphere', 'whole']
    return simple[columns].sort_values('index').reset_index(drop=True)


def _missing_labels(drawn: Drawn, atlas: Atlas, table: Any) -> list[str]:
    """Sentences on labels that win no voxel; parts of nuclei may be too small for one."""
    missing = table[~table['index'].isin(np.unique(drawn.labels))]
    away = missing['index'].isin(list(drawn.counts))
    parts = atlas.regions.loc[atlas.regions['part'].astype(bool), 'index']
    small = missing[~away & ~missing['index'].isin(parts)]
    sentences = []
    for names, reason in (
        (missing.loc[away, 'name'], 'lies in the field of view of the gradient echo'),
        (small['name'], 'is left on voxels of this size'),
    ):
        if len(names):
            sentences.append(f'no voxel of {", ".join(names)} {reason}')
    return sentences
