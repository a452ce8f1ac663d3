(async () => {
  'use strict';
  const at = (id) => document.getElementById(id);
  const tell = (text) => { at('told').textContent = text; at('told').hidden = !text; };
  const {images, colours} = JSON.parse(at('images').textContent);
  if (images.some((spec) => spec.address) && location.protocol === 'file:') {
    tell('These images are too large for a page, and browsers read no other files from disk: open this page by nigra-view, which comes with nigra.');
    return;
  }
  if (!document.createElement('canvas').getContext('webgl2')) {
    tell('This browser has no WebGL 2, with which slices are drawn. The report of this participant shows pictures.');
    return;
  }
  const nv = new niivue.Niivue({
    isNearestInterpolation: true, isColorbar: true, dragAndDropEnabled: false, logLevel: 'error', loadingText: '',
    isForceMouseClickToVoxelCenters: true, multiplanarShowRender: niivue.SHOW_RENDER.NEVER, crosshairWidth: 0.6,
    showAllOrientationMarkers: true,
    crosshairColor: [0.95, 0.75, 0.1, 0.9], fontColor: [0.92, 0.92, 0.92, 1], dragMode: niivue.DRAG_MODE.contrast,
  });
  for (const [name, map] of Object.entries(colours)) nv.addColormap(`nigra_${name}`, map);
  await nv.attachToCanvas(at('planes'));
  const load = async (spec) => {
    const name = `${spec.title}.nii.gz`;
    const image = spec.address ? await niivue.NVImage.loadFromUrl({url: spec.address, name})
      : await niivue.NVImage.loadFromBase64({base64: spec.bytes, name});
    delete spec.bytes;
    spec.image = image;
    image.colorbarVisible = !spec.labels;
    if (spec.labels) image.setColormapLabel(spec.labels);
    else { image.colormap = `nigra_${spec.colours}`; [image.cal_min, image.cal_max] = spec.window; }
  };
  await Promise.all(images.map(load));

  // The crosshair, in mm of the scanner's axes.
  let shown = images.filter((spec) => spec.run === images[0].run), base = shown[0], over;
  const here = () => [...nv.frac2mm(nv.scene.crosshairPos, 0, true)].slice(0, 3);
  const go = (mm) => {
    nv.scene.crosshairPos = nv.mm2frac(mm, 0, true);
    nv.drawScene();
    nv.createOnLocationChange();
  };
  const inside = (image, voxel) => voxel.every((v, i) => v >= 0 && v < image.dimsRAS[i + 1]);
  const onDisk = ({image, offset}, voxel) => {
    const m = image.toRASvox, plain = image.permRAS.every((axis, i) => axis === i + 1);
    const found = plain ? voxel : [0, 1, 2].map((i) => Math.round(m[i] * voxel[0] + m[i + 4] * voxel[1] + m[i + 8] * voxel[2] + m[i + 12]));
    return found.map((v, i) => v + offset[i]);
  };
  const written = (value, digits) => {
    if (digits === null) return [value, String(Number(value.toPrecision(6)))];
    const text = value.toFixed(Math.max(digits, 0));
    return [Number(text), text];
  };
  const row = (spec, value, text) => {
    const line = at('values').insertRow(), head = document.createElement('th');
    head.scope = 'row';
    head.textContent = spec.title;
    line.append(head);
    const cell = line.insertCell();
    cell.className = 'number';
    cell.textContent = text;
    cell.dataset.v = value;
    line.insertCell().textContent = spec.unit;
  };
  const read = () => {
    const mm = here(), names = [];
    at('values').replaceChildren();
    for (const spec of shown) {
      const voxel = [...spec.image.mm2vox(mm)];
      const known = inside(spec.image, voxel), value = known ? spec.image.getValue(...voxel) : NaN;
      if (spec.labels) names.push(spec.labels.labels[spec.labels.I.indexOf(value)]);
      else row(spec, ...(known ? written(value, spec.digits) : ['', '–']));
      if (spec === base) at('voxel').textContent = known ? onDisk(spec, voxel).join(', ') : '–';
    }
    at('where').textContent = [...new Set(names.filter(Boolean))].join('; ') || 'none';
    ['x', 'y', 'z'].forEach((id, i) => { if (document.activeElement !== at(id)) at(id).value = mm[i].toFixed(2); });
  };
  nv.onLocationChange = read;

  // The planes one below the other, side by side, or two stacked beside the axial one: what makes them larger by a tenth, for the last may leave gaps.
  const arrange = () => {
    const {AXIAL, CORONAL, SAGITTAL} = niivue.SLICE_TYPE, [x, y, z] = nv.sliceScale().volScale;
    const {width, height} = at('planes').getBoundingClientRect(), bar = 48, gap = 3;
    const planes = (...places) => [[AXIAL, x, y], [CORONAL, x, z], [SAGITTAL, y, z]].map((plane, i) => [...plane, ...places[i]]);
    const extent = (tiles) => [0, 1].map((i) => Math.max(...tiles.map((tile) => tile[1 + i] + tile[3 + i])));
    const scale = (tiles) => { const [w, h] = extent(tiles); return Math.min(width / w, (height - bar) / h); };
    const ways = [planes([0, 0], [0, y], [0, y + z]), planes([0, 0], [x, 0], [2 * x, 0]), planes([0, 0], [x, 0], [x, z])];
    const best = ways.reduce((a, b) => (scale(b) > 1.1 * scale(a) ? b : a)), size = scale(best), [w, h] = extent(best);
    const left = (width - size * w) / 2, top = (height - bar - size * h) / 2;
    const tiles = best.map(([sliceType, across, down, l, t]) => ({sliceType, position: [
      (left + size * l) / width, (top + size * t) / height, (size * across - gap) / width, (size * down - gap) / height]}));
    nv.setCustomLayout(tiles);
    at('planes').dataset.tiles = JSON.stringify(tiles.map((tile) => tile.position));
  };
  new ResizeObserver(() => { if (nv.volumes.length) arrange(); }).observe(at('planes'));

  // What is shown, and how.
  const window_ = () => {
    at('low').value = Number(base.image.cal_min.toPrecision(4));
    at('high').value = Number(base.image.cal_max.toPrecision(4));
    at('unit').textContent = base.unit;
  };
  const show = (mm = here()) => {
    for (const volume of [...nv.volumes]) nv.removeVolume(volume);
    base.image.opacity = 1;
    nv.addVolume(base.image);
    if (over) { over.image.opacity = Number(at('opacity').value); nv.addVolume(over.image); }
    window_();
    arrange();
    go(mm);
  };
  const options = (select, specs, chosen, none) => {
    select.replaceChildren(...(none ? [new Option('none', -1)] : []),
      ...specs.map((spec) => new Option(spec.unit ? `${spec.title} (${spec.unit})` : spec.title, images.indexOf(spec))));
    select.value = chosen ? images.indexOf(chosen) : -1;
  };
  const choose = () => {
    over = over === base ? undefined : over;
    options(at('over'), shown.filter((spec) => spec !== base), over, true);
    const coarse = shown.filter((spec) => spec.digits !== null);
    at('precision').textContent = coarse.length
      ? `Values in this page are rounded: ${coarse.map((s) => `${s.title} to ${10 ** -s.digits} ${s.unit}`.trim()).join(', ')}. The files have all digits.`
      : 'Values are as they were saved; six digits of each are shown.';
  };
  const begin = (run) => {
    shown = images.filter((spec) => spec.run === run);
    base = shown.find((spec) => !spec.labels);
    over = shown.find((spec) => spec.over);
    options(at('base'), shown.filter((spec) => !spec.labels), base);
    const places = shown.flatMap((spec) => spec.places ?? []);
    at('region').replaceChildren(new Option('a region', ''), ...places.map(([name, mm]) => new Option(name, mm.join(' '))));
    choose();
    nv.volumes.length || nv.addVolume(base.image);
    const effect = ([, mm]) => Math.abs(over.image.getValue(...over.image.mm2vox(mm)));
    const first = over && !over.labels ? [...places].sort((a, b) => effect(b) - effect(a))[0] : places.find(([name]) => name.startsWith('pallidum'));
    show((first ?? places[0])?.[1]);
  };
  at('run')?.addEventListener('change', () => begin(at('run').value));
  at('base').addEventListener('change', () => { base = images[at('base').value]; choose(); show(); });
  at('over').addEventListener('change', () => { over = images[at('over').value]; show(); });
  at('opacity').addEventListener('input', () => { if (over) nv.setOpacity(1, Number(at('opacity').value)); });
  at('smooth').addEventListener('change', () => nv.setInterpolation(!at('smooth').checked));
  at('region').addEventListener('change', () => { if (at('region').value) go(at('region').value.split(' ').map(Number)); });
  for (const id of ['low', 'high']) {
    at(id).addEventListener('change', () => {
      const low = Number(at('low').value), high = Number(at('high').value);
      if (!(low < high)) { tell('The lower end of the window must be below the upper one.'); return; }
      tell('');
      [base.image.cal_min, base.image.cal_max] = [low, high];
      nv.updateGLVolume();
    });
  }
  at('reset').addEventListener('click', () => { [base.image.cal_min, base.image.cal_max] = base.window; nv.updateGLVolume(); window_(); });
  for (const id of ['x', 'y', 'z']) {
    at(id).addEventListener('change', () => go(['x', 'y', 'z'].map((axis) => Number(at(axis).value))));
  }
  nv.onIntensityChange = window_;
  const steps = {ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowDown: [0, 0, -1], ArrowUp: [0, 0, 1], PageDown: [0, -1, 0], PageUp: [0, 1, 0]};
  at('planes').addEventListener('keydown', (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    nv.moveCrosshairInVox(...step);
    read();
  });
  begin(images[0].run);
  tell('');
  document.documentElement.dataset.ready = 'yes';
})();
