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
  for (const input of all('input.filter')) {
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
  addEventListener('beforeprint', () => all('details').forEach((d) => { d.open = true; }));
  document.documentElement.dataset.ready = 'yes';
})();
