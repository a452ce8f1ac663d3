'use strict';
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Sorting: data-v has the full values; missing ones stay last in both directions.
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    return a !== '' && b !== '' && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b);
  };
  const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent.trim();
  for (const button of all('th button')) {
    button.addEventListener('click', () => {
      const head = button.closest('th');
      const body = head.closest('table').tBodies[0];
      const sign = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
      all('th', head.parentNode).forEach((th) => th.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
      const rows = [...body.rows].sort((r, s) => {
        const a = value(r, head.cellIndex), b = value(s, head.cellIndex);
        if (a === '' || b === '') return (a === '') - (b === '');
        return sign * compare(a, b);
      });
      body.append(...rows);
    });
  }

  // A row stays if it contains every word typed.
  for (const input of all('input.filter[data-table]')) {
    const body = document.getElementById(input.dataset.table).tBodies[0];
    input.addEventListener('input', () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
  }

  // Pictures: cross-fade, flicker, outlines, large view.
  for (const figure of all('figure.picture')) {
    const slider = figure.querySelector('input[type=range]');
    const fade = (fraction) => {
      figure.style.setProperty('--fade', fraction);
      if (slider) slider.value = fraction;
    };
    slider?.addEventListener('input', () => fade(slider.value));
    const flicker = figure.querySelector('button.flicker');
    let timer = 0;
    flicker?.addEventListener('click', () => {
      const on = flicker.getAttribute('aria-pressed') !== 'true';
      flicker.setAttribute('aria-pressed', on);
      clearInterval(timer);
      if (on) timer = setInterval(() => fade(Number(slider.value) > 0.5 ? 0 : 1), 700);
      else fade(0);
    });
    const outlines = figure.querySelector('input.outlines');
    outlines?.addEventListener('change', () => figure.classList.toggle('plain', !outlines.checked));
    const wide = figure.querySelector('button.enlarge');
    wide?.addEventListener('click', () => {
      const on = figure.classList.toggle('wide');
      wide.textContent = on ? 'Close' : 'Enlarge';
    });
  }
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') all('figure.wide button.enlarge').forEach((button) => button.click());
  });

  // Tables: the columns that answer first, the others on request; on a phone a row is a card.
  for (const button of all('button.unfold')) {
    button.addEventListener('click', () => {
      const brief = document.getElementById(button.getAttribute('aria-controls')).classList.toggle('brief');
      button.setAttribute('aria-expanded', !brief);
      button.textContent = brief ? button.dataset.all : button.dataset.few;
    });
  }
  const label = (table) => {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    for (const row of table.tBodies[0].rows) {
      [...row.cells].forEach((cell, i) => { cell.dataset.label = names[i]; });
    }
  };
  const narrow = matchMedia('(max-width: 700px)');
  const labelAll = () => { if (narrow.matches) all('table.cards').forEach(label); };
  narrow.addEventListener('change', labelAll);

  // A point leads to its person, by the page that knows everybody's.
  const told = (point) => point?.querySelector('title')?.textContent ?? '';
  const open = (point) => {
    const [name] = told(point).split(':');
    if (name) location.href = `${document.body.dataset.home}index.html#to=${encodeURIComponent(name)}`;
  };
  document.addEventListener('click', (event) => open(event.target.closest?.('.point')));

  // The same without a mouse: a chart is one stop of the Tab key, inside which arrows move.
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  document.body.append(tip);
  const height = (point) => { const box = point.getBBox(); return box.y + box.height / 2; };
  const step = (chart, point, key) => {
    const groups = all('.group', chart).map((g) => all('.point', g).sort((a, b) => height(b) - height(a)))
      .filter((g) => g.length);
    const at = groups.findIndex((g) => g.includes(point)), own = groups[at];
    const beside = (group) => group?.reduce((a, b) => (Math.abs(height(b) - height(point)) < Math.abs(height(a) - height(point)) ? b : a));
    return {
      ArrowUp: () => own[own.indexOf(point) + 1], ArrowDown: () => own[own.indexOf(point) - 1],
      Home: () => own[0], End: () => own.at(-1),
      ArrowLeft: () => beside(groups[at - 1]), ArrowRight: () => beside(groups[at + 1]),
    }[key]?.();
  };
  for (const chart of new Set(all('svg.chart .group .point').map((point) => point.ownerSVGElement))) {
    chart.setAttribute('role', 'group');  // what an image holds could not be reached
    chart.setAttribute('aria-label', `${chart.getAttribute('aria-label')}: arrow keys go from person to person, Enter opens the page`);
    all('.point', chart).forEach((point, i) => {
      point.setAttribute('role', 'link');
      point.setAttribute('aria-label', told(point));
      point.setAttribute('tabindex', i ? -1 : 0);
    });
    chart.addEventListener('keydown', (event) => {
      const point = event.target.closest('.point');
      if (event.key === 'Enter') { open(point); return; }
      const next = /^(Arrow|Home|End)/.test(event.key) && !event.altKey && !event.ctrlKey && !event.metaKey;
      if (!point || !next) return;
      event.preventDefault();
      step(chart, point, event.key)?.focus();
    });
    chart.addEventListener('focusin', ({target}) => {
      all('.point', chart).forEach((point) => point.setAttribute('tabindex', point === target ? 0 : -1));
      const place = target.getBoundingClientRect();
      tip.textContent = told(target);
      tip.hidden = !target.matches(':focus-visible');
      tip.style.top = `${place.top + scrollY - 34}px`;
      tip.style.left = `${Math.min(place.left, innerWidth - tip.offsetWidth - 12) + scrollX}px`;
    });
    chart.addEventListener('focusout', () => { tip.hidden = true; });
  }

  // Files made in the page: pictures for a paper, ratings.
  const save = (name, content) => {
    const link = document.createElement('a');
    link.href = content instanceof Blob ? URL.createObjectURL(content) : content;
    link.download = name;
    link.click();
  };
  const alone = (svg) => {
    const copy = svg.cloneNode(true), box = svg.viewBox.baseVal;
    copy.setAttribute('width', box.width);
    copy.setAttribute('height', box.height);
    const style = document.createElementNS('http://www.w3.org/2000/svg', 'style');
    const fade = svg.closest('figure').style.getPropertyValue('--fade') || 0;
    style.textContent = `:root{--fade:${fade}}` + [...document.styleSheets].flatMap((s) => [...s.cssRules])
      .filter((rule) => /^(:root|svg|\.plain svg)/.test(rule.selectorText ?? ''))
      .map((rule) => rule.cssText).join('');
    copy.prepend(style);
    copy.classList.toggle('plain', svg.closest('figure').classList.contains('plain'));
    return [new XMLSerializer().serializeToString(copy), box];
  };
  for (const button of all('button.save')) {
    button.addEventListener('click', async () => {
      const [text, box] = alone(button.closest('figure').querySelector('svg'));
      const name = `${document.title.split(' ')[0]} ${button.dataset.name}.${button.dataset.kind}`.replace(/\s+/g, '_');
      if (button.dataset.kind === 'svg') { save(name, new Blob([text], {type: 'image/svg+xml'})); return; }
      const image = new Image();
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
      await image.decode();
      const canvas = document.createElement('canvas'), scale = 2.5;
      canvas.width = box.width * scale;
      canvas.height = box.height * scale;
      canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(name, blob));
    });
  }

  // Ratings, kept in the browser by the study's folder.
  const FIELDS = ['participant_id', 'session_id', 'rating', 'reasons', 'comment', 'rater', 'rated'];
  const folder = location.pathname.replace(/[^/]*$/, '');
  const keep = (visit, value) => { try { localStorage.setItem(`nigra:${folder}:${visit}`, JSON.stringify(value)); } catch { /* a browser may refuse */ } };
  const kept = (visit) => { try { return JSON.parse(localStorage.getItem(`nigra:${folder}:${visit}`)); } catch { return null; } };
  const tsv = (rows) => [FIELDS, ...rows.map((row) => FIELDS.map((f) => String(row[f] || 'n/a').replace(/\s+/g, ' ')))]
    .map((cells) => cells.join('\t')).join('\n') + '\n';
  const form = document.getElementById('rate');
  if (form) {
    const visit = form.dataset.visit, [participant_id, session_id] = visit.split('_');
    const read = () => {
      const given = new FormData(form);
      return {participant_id, session_id: session_id?.startsWith('ses-') ? session_id : '', rating: given.get('rating'),
        reasons: given.getAll('reasons').join('; '), comment: given.get('comment'), rater: given.get('rater'),
        rated: new Date().toISOString().slice(0, 19)};
    };
    const before = kept(visit);
    if (before) {
      for (const field of form.elements) {
        if (field.type === 'radio') field.checked = field.value === before.rating;
        else if (field.type === 'checkbox') field.checked = before.reasons.split('; ').includes(field.value);
        else if (field.name) field.value = before[field.name] ?? '';
      }
    } else form.elements.rater.value = kept('rater') ?? '';
    form.addEventListener('change', () => { keep(visit, read()); keep('rater', form.elements.rater.value); });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const told = document.getElementById('rated');
      if (!read().rating) { told.textContent = 'Choose a rating first.'; return; }
      save(`${visit}_rating.tsv`, new Blob([tsv([read()])], {type: 'text/tab-separated-values'}));
      told.textContent = `Saved as ${visit}_rating.tsv`;
    });
  }

  // The page of all participants: a list of any length, so many rows at a time.
  const list = document.getElementById('index');
  if (list) {
    const SIZE = 100, rows = JSON.parse(document.getElementById('data').textContent);
    const search = document.getElementById('search'), body = list.tBodies[0];
    let shown = rows, start = 0;
    list.classList.toggle('ageless', rows.every(([, , about]) => !about));
    const cell = (row, content, css) => {
      const td = row.insertCell();
      td.append(content);
      if (css) td.className = css;
    };
    const draw = () => {
      body.replaceChildren();
      for (const [visit, group, about, state, problems, flags, page, picture, viewer] of shown.slice(start, start + SIZE)) {
        const row = body.insertRow();
        row.className = problems || state === 'failed' ? 'flagged' : '';
        let image = '';
        if (picture) { image = document.createElement('img'); image.src = picture; image.alt = ''; image.loading = 'lazy'; }
        cell(row, image, 'thumbnail');
        let name = visit;
        if (page) { name = document.createElement('a'); name.href = page; name.textContent = visit; }
        cell(row, name);
        if (viewer) { const link = document.createElement('a'); link.href = viewer; link.textContent = 'viewer'; link.className = 'aside-link'; link.setAttribute('aria-label', `viewer of ${visit}`); row.cells[1].append(' ', link); }
        cell(row, group); cell(row, about); cell(row, state, `state ${state}`); cell(row, problems || (state === 'finished' ? 'none' : ''), problems ? 'wrap' : 'missing'); cell(row, flags || (state === 'finished' ? list.dataset.apart : ''), flags ? 'wrap' : 'missing');
        cell(row, kept(visit)?.rating ?? '');
      }
      const last = Math.min(start + SIZE, shown.length);
      document.getElementById('count').textContent = shown.length ? `${start + 1} to ${last} of ${shown.length}` : 'nobody found';
      document.getElementById('earlier').disabled = start === 0;
      document.getElementById('later').disabled = last === shown.length;
      document.getElementById('leaf').hidden = shown.length <= SIZE;
      labelAll();
    };
    search.addEventListener('input', () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      shown = rows.filter((row) => { const text = row.slice(0, 6).join(' ').toLowerCase(); return words.every((w) => text.includes(w)); });
      start = 0;
      draw();
    });
    for (const button of all('th button', list)) {
      button.addEventListener('click', () => {
        const head = button.closest('th'), key = Number(button.dataset.key);
        const sign = head.getAttribute('aria-sort') === 'ascending' ? 1 : -1;
        // the shared handler has set the direction; who has nothing stays last
        const order = (a, b) => (a[key] === '') - (b[key] === '') || sign * a[key].localeCompare(b[key], undefined, {numeric: true});
        rows.sort(order);
        shown = [...shown].sort(order);
        start = 0;
        draw();
      });
    }
    const hint = document.getElementById('hint');
    const tell = (text) => { hint.textContent = text; hint.hidden = !text; };
    const move = (by) => { start += by; draw(); scrollTo(0, 0); };
    document.getElementById('earlier').addEventListener('click', () => move(-SIZE));
    document.getElementById('later').addEventListener('click', () => move(SIZE));
    document.getElementById('ratings').addEventListener('click', () => {
      const rated = rows.map(([visit]) => kept(visit)).filter((r) => r?.rating);
      if (!rated.length) { tell('Nobody has been rated in this browser yet: the form is on each person’s page.'); return; }
      save('ratings.tsv', new Blob([tsv(rated)], {type: 'text/tab-separated-values'}));
    });
    const inOrder = [...rows].sort((a, b) => (a[0] < b[0] ? -1 : 1));
    const lead = () => {
      const [way, value] = location.hash.slice(1).split('=');
      const visit = decodeURIComponent(value ?? '');
      tell('');
      if (way === 'group') { const group = document.getElementById('group'); if (group) { location.replace(group.href); return; } }
      if (way === 'beside') { const beside = document.getElementById('beside'); if (beside) { location.replace(`${beside.href}#${encodeURIComponent(visit)}`); return; } }
      if (way === 'group' || way === 'beside') tell(document.getElementById('missing').textContent);
      const column = way.startsWith('view') ? 8 : 6, pages = inOrder.filter((row) => row[column]);
      const at = pages.findIndex((row) => row[0] === visit);
      const step = {before: -1, after: 1, to: 0, view: 0, 'view-before': -1, 'view-after': 1}[way];
      if (step === undefined && way !== 'beside') return;
      const to = at < 0 ? undefined : pages[at + step];
      const page = to?.[column];
      if (page) { location.replace(page); return; }
      const visits = pages.filter((row) => row[0].startsWith(`${visit}_`)).length;
      const none = way.startsWith('view') ? 'no viewer' : 'no page yet';
      const known = {0: none, 1: 'one visit: choose it'}[visits] ?? `${visits} visits: choose one`;
      if (way !== 'beside') tell(at < 0 ? `${visit} has ${known}.` : `${visit} is the ${step < 0 ? 'first' : 'last'}.`);
      search.value = visit;
      search.dispatchEvent(new Event('input'));
    };
    addEventListener('hashchange', lead);
    draw();
    lead();
  }
  labelAll();
  document.documentElement.dataset.ready = 'yes';
})();
