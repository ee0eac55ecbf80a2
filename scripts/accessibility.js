// accessibility.js: what a person with weak eyes, a screen reader or a small phone would miss on the page it is added to (scripts/screenshots). It writes
// one line a finding, and a last line that counts what was looked at, into an element of the outermost page, which --dump-dom prints. Numbers are those of WCAG 2.1, level AA.
'use strict';
window.addEventListener('load', () => {
  const findings = [];
  let texts = 0, shapes = 0;
  const all = [...document.querySelectorAll('body, body *')];
  const find = (what, where) => findings.push(what + ': ' + (where.outerHTML || String(where)).slice(0, 120).replace(/\s+/g, ' '));

  const parse = colour => { const m = colour.match(/[\d.]+/g).map(Number); return { r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1 }; };
  const channel = value => { value /= 255; return value <= 0.03928 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4); };
  const light = c => 0.2126 * channel(c.r) + 0.7152 * channel(c.g) + 0.0722 * channel(c.b);
  const contrast = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a > 0) return colour;
    }
    return { r: 255, g: 255, b: 255, a: 1 };
  };

  // text: 4.5, or 3 where it is large
  for (const element of all) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const svg = element.closest('svg'), colour = parse(svg ? style.fill : style.color);
    const wanted = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5, got = contrast(colour, behind(svg || element));
    texts++;
    if (got < wanted) find('contrast ' + got.toFixed(2) + ' of ' + wanted, element);
    if (!svg && size < 12) find('letters of ' + size + ' px', element);
  }
  // bars and lines: 3 against what they stand on
  for (const shape of document.querySelectorAll('svg rect, svg path')) {
    const style = getComputedStyle(shape), paint = style.fill === 'none' ? style.stroke : style.fill;
    if (Number(shape.getAttribute('width')) > 50) continue; // shading, which the words tell, too
    shapes++;
    const grounds = [behind(shape.closest('svg')), ...[...document.querySelectorAll('svg rect')].filter(other => Number(other.getAttribute('width')) > 50 &&
      other.closest('svg') === shape.closest('svg')).map(other => parse(getComputedStyle(other).fill))];
    for (const ground of grounds) if (contrast(parse(paint), ground) < 3) find('contrast of a shape ' + contrast(parse(paint), ground).toFixed(2), shape);
  }

  if (!document.documentElement.lang) find('no language', document.documentElement);
  if (!document.title.trim()) find('no title', 'title');
  if (document.querySelectorAll('main').length !== 1) find('not one main', 'main');
  const viewport = document.querySelector('meta[name=viewport]');
  if (!viewport || /user-scalable=no|maximum-scale/.test(viewport.content)) find('the page cannot be zoomed', viewport || 'viewport');

  let level = 0;
  for (const heading of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) find('a heading of level ' + own + ' after ' + level, heading);
    if (!heading.textContent.trim()) find('an empty heading', heading);
    level = own;
  }
  if (document.querySelectorAll('h1').length !== 1) find('not one h1', 'h1');

  const named = element => {
    const by = element.getAttribute('aria-labelledby');
    return (element.getAttribute('aria-label') || '').trim() || (by && by.split(/\s+/).every(id => document.getElementById(id)));
  };
  for (const image of document.querySelectorAll('img')) {
    if (!image.hasAttribute('alt')) find('a picture without words', image);
    if (!image.getAttribute('width') || !image.getAttribute('height')) find('a picture without a size', image);
  }
  for (const drawing of document.querySelectorAll('svg')) if (drawing.getAttribute('role') !== 'img' || !named(drawing)) find('a drawing without a name', drawing);
  for (const element of document.querySelectorAll('[aria-describedby]'))
    if (!document.getElementById(element.getAttribute('aria-describedby'))) find('described by nothing', element);
  for (const table of document.querySelectorAll('table')) {
    if (!table.querySelector('th')) find('a table without headers', table);
    for (const header of table.querySelectorAll('th')) if (!['col', 'row'].includes(header.scope)) find('a header of neither row nor column', header);
  }
  for (const control of document.querySelectorAll('input, select, textarea, button, a'))
    if (!control.textContent.trim() && !named(control) && !(control.labels && control.labels.length)) find('a control without a label', control);
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) find('an id twice', id);

  // nothing but tables that scroll for themselves may be wider than the screen
  if (document.documentElement.scrollWidth > window.innerWidth + 1) find('the page scrolls sideways', document.documentElement.scrollWidth + ' > ' + window.innerWidth);
  // what scrolls must be reachable from the keyboard
  for (const element of all) if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === 'auto' && element.tabIndex < 0)
    find('scrolls, but not from the keyboard', element);

  const result = document.createElement('pre');
  result.id = 'accessibility';
  result.textContent = '\n' + findings.map(line => 'finding: ' + line + '\n').join('') + 'looked at ' + texts + ' texts, ' + shapes + ' shapes, ' +
    document.querySelectorAll('img').length + ' pictures, dark ' + matchMedia('(prefers-color-scheme: dark)').matches + ', ' + window.innerWidth + ' px wide\n';
  (window.frameElement ? parent : window).document.body.append(result);
});
