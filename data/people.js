'use strict';
(() => {
  const at = (id) => document.getElementById(id);
  const {beside, people} = JSON.parse(at('everybody').textContent);
  const rows = [...document.querySelectorAll('tr[data-row]')];
  const choice = at('person');

  const place = (strip, x, [low, middle, high]) => {
    const band = strip.querySelector('.range'), line = strip.querySelector('.middle'), mark = strip.querySelector('.person');
    band.setAttribute('x', low ?? 0);
    band.setAttribute('width', low === null ? 0 : high - low);
    line.style.display = middle === null ? 'none' : '';
    line.setAttribute('x1', middle ?? 0);
    line.setAttribute('x2', middle ?? 0);
    mark.style.display = x === null ? 'none' : '';
    mark.setAttribute('transform', `translate(${x ?? 0})`);
  };
  const fill = (row, person) => {
    const number = Number(row.dataset.row);
    const [x, value, away, unusual] = person.values[number];
    const [mean, ends, ...places] = (person.beside ?? beside)[number];
    const set = (name, text) => { row.querySelector(`.${name}`).textContent = text; };
    set('own', value);
    set('mean', mean);
    set('ends', ends);
    set('away', unusual ? `${away}: unusual here` : away);
    row.classList.toggle('unusual', unusual);
    place(row.querySelector('svg'), x, places);
  };
  const page = (name) => `${document.body.dataset.home}index.html#to=${encodeURIComponent(name)}`;
  const show = (person) => {
    choice.value = person.name;
    at('name').textContent = person.name;
    at('own').href = page(person.name);
    at('about').textContent = [person.about, person.visit].filter(Boolean).join('; ');
    at('others').textContent = `${person.beside ? 'the other ' : ''}${person.others}`;
    at('none').textContent = !person.known ? at('none').dataset.few : person.unusual.length ? `${person.unusual.length} of ${person.known} values:`
      : `None of ${person.known} values.`;
    at('unusual').replaceChildren(...person.unusual.map((text) => {
      const item = document.createElement('li');
      item.textContent = text;
      return item;
    }));
    at('chance').textContent = !person.known ? '' : `By chance alone, about ${person.expected} of ${person.known} values of somebody of the same people lie so far off.`;
    rows.forEach((row) => fill(row, person));
    const i = people.indexOf(person);
    at('before').disabled = i === 0;
    at('after').disabled = i === people.length - 1;
  };
  // A visit is found by its person, of whom one visit was compared.
  const asked = () => decodeURIComponent(location.hash.slice(1));
  const lead = () => {
    const wanted = asked();
    const person = wanted.startsWith('sub-') ? people.find(({name}) => name === wanted.split('_')[0]) : people[0];
    at('name').textContent = wanted;
    at('own').href = page(wanted);
    at('told').hidden = Boolean(person);
    at('told').textContent = person ? '' : `${wanted || 'This person'} is not among the people compared: left out, or not measured when the groups were compared.`;
    at('found').hidden = !person;
    document.querySelectorAll('section.values').forEach((part) => { part.hidden = !person; });
    if (person) show(person);
  };
  const go = (name) => { location.hash = encodeURIComponent(name); };
  choice.addEventListener('change', () => go(choice.value));
  const step = (by) => { const next = people[choice.selectedIndex + by]; if (next) go(next.name); };
  at('before').addEventListener('click', () => step(-1));
  at('after').addEventListener('click', () => step(1));
  addEventListener('hashchange', () => { if (/^(sub-|$)/.test(asked())) lead(); });
  lead();
})();
