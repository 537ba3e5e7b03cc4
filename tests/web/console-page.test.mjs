// SPDX-License-Identifier: Apache-2.0
// The console's lists, dialogs and graphs, on as much of a document as they use.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { confirmed, dismissed } from '../../src/web/console/dom.mjs';
import { Graph } from '../../src/web/console/graph.mjs';
import { Pages, Room } from '../../src/web/console/lists.mjs';
import { Timeline } from '../../src/web/console/rates.mjs';

class Element {
  constructor(tag) {
    Object.assign(this, { tag, children: [], attributes: {}, listeners: {}, dataset: {}, value: '', hidden: false, disabled: false, clientWidth: 300, isOpen: false });
  }

  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, what) { this.listeners[name] = what; }
  append(...more) {
    for (const child of more) {
      if (typeof child === 'object') child.parent = this;
      this.children.push(child);
    }
  }
  replaceChildren(...more) { this.children = []; this.append(...more); }
  remove() { this.parent.children = this.parent.children.filter((child) => child !== this); }
  contains() { return false; }
  focus() { document.activeElement = this; }
  showModal() { this.isOpen = true; }
  close() { this.isOpen = false; queueMicrotask(() => this.listeners.close?.({})); }
  click() { return this.listeners.click({ currentTarget: this }); }
  get textContent() { return this.children.map((child) => child.textContent ?? child).join(''); }
  set textContent(text) { this.children = [text]; }
  get childElementCount() { return this.children.length; }
  all(wanted) { return this.children.filter((child) => typeof child === 'object').flatMap((child) => [...(wanted(child) ? [child] : []), ...child.all(wanted)]); }
  querySelector(tag) { return this.all((element) => element.tag === tag)[0]; }
  named(id) { return this.all((element) => element.attributes['data-testid'] === id); }
}

const plots = [];
let observers = 0;
beforeEach(() => {
  globalThis.document = { createElement: (tag) => new Element(tag), body: new Element('body'), documentElement: new Element('html'), activeElement: null };
  globalThis.getComputedStyle = () => ({ getPropertyValue: () => '' });
  globalThis.ResizeObserver = class { observe() { observers++; } disconnect() { observers--; } };
  plots.length = 0;
  globalThis.uPlot = class {
    constructor() { plots.push(this); }
    setData() {}
    setSize() {}
    destroy() { plots.splice(plots.indexOf(this), 1); }
  };
});

const rowsIn = (place) => place.querySelector('tbody').children;
const settled = () => new Promise((done) => setTimeout(done));

describe('a list', () => {
  const about = (ask) => ({ caption: 'Things', columns: [['Thing'], ['']], ask, row: (item) => [item, document.createElement('button')] });

  test('asks for one page at a time, and leaves the rows alone that it has', async () => {
    const place = new Element('div');
    const asked = [];
    const app = { run: (what) => what() };
    const pages = new Pages(app, place, about((query) => new Promise((done) => { asked.push({ query, done }); })));
    const first = pages.load();
    asked[0].done({ items: Array.from({ length: 100 }, (_, i) => `a${i}`), next: '7' });
    await first;
    const removed = rowsIn(place)[0].querySelector('button');
    removed.disabled = true;
    const [more] = place.named('more');
    assert.equal(more.hidden, false);
    more.click();
    more.click();
    assert.equal(asked.length, 2, 'the second click asks for nothing');
    assert.equal(asked[1].query.cursor, '7');
    asked[1].done({ items: ['b'] });
    await settled();
    assert.equal(rowsIn(place).length, 101);
    assert.equal(rowsIn(place)[0].querySelector('button'), removed, 'who was removed is not offered again');
    assert.equal(more.hidden, true);
  });

  test('shows what it got when the rest does not come, and can go on', async () => {
    const place = new Element('div');
    let broken = false;
    const pages = new Pages({}, place, about(async ({ cursor }) => {
      if (cursor && broken) throw new Error('gone');
      return cursor ? { items: ['b'] } : { items: ['a'], next: '1' };
    }));
    broken = true;
    await assert.rejects(pages.load());
    assert.equal(rowsIn(place).length, 1);
    assert.equal(place.named('more')[0].hidden, false);
    broken = false;
    await pages.load();
    assert.deepEqual(rowsIn(place).map((row) => row.children[0].textContent), ['a', 'b']);
  });

  test('of nothing says so', async () => {
    const place = new Element('div');
    await new Pages({}, place, about(async () => ({ items: [] }))).load();
    assert.match(rowsIn(place)[0].textContent, /none/);
  });
});

test('a member is removed by names that are in no path', async () => {
  const place = new Element('main');
  const removed = [];
  const app = { run: (what) => what(), notice: () => {}, api: {
    get: async (path, query) => (assert.deepEqual(path, ['members']), assert.equal(query.room, 'tea/..'), { members: [{ peer: 'x/../..', client: '', dialect: '' }] }),
    remove: async (path, query) => removed.push([path, query]),
  } };
  await new Room(app, place, ['tea/..']).start();
  place.named('kick')[0].click();
  document.body.named('confirm')[0].click();
  await settled();
  assert.deepEqual(removed, [[['members'], { room: 'tea/..', peer: 'x/../..', reason: '' }]]);
});

describe('a dialog', () => {
  const ask = () => confirmed({ title: 'Sure?', text: 'It goes.', action: 'Yes', withReason: true });

  test('is gone, with a no, when the page is locked', async () => {
    const answer = ask();
    assert.equal(document.body.children.length, 1);
    dismissed();
    assert.equal(await answer, null);
    assert.equal(document.body.children.length, 0);
    dismissed();
  });

  test('counts the bytes of a reason, as the server does', async () => {
    const answer = ask();
    const reason = document.body.querySelector('input');
    reason.value = 'я'.repeat(129);
    document.body.named('confirm')[0].click();
    assert.equal(document.body.children.length, 1, 'the text is not lost');
    assert.match(document.body.textContent, /258 bytes, of 256/);
    reason.value = 'я'.repeat(128);
    document.body.named('confirm')[0].click();
    assert.deepEqual(await answer, { reason: 'я'.repeat(128) });
    assert.equal(document.body.children.length, 0);
  });

  test('that is closed by Escape is a no', async () => {
    const answer = ask();
    document.body.children[0].close();
    assert.equal(await answer, null);
    assert.equal(document.body.children.length, 0);
  });
});

test('a graph leaves nothing behind', () => {
  const timeline = new Timeline();
  for (const at of [0, 5, 10]) timeline.push({ at, n: at });
  for (let i = 0; i < 5; i++) {
    const graph = new Graph(new Element('div'), { title: 'N', format: String, series: [{ label: 'n', color: 'a', field: 'n' }] });
    graph.show(timeline);
    graph.restyle();
    assert.equal(plots.length, 1);
    graph.stop();
    graph.restyle();
  }
  assert.equal(plots.length, 0);
  assert.equal(observers, 0);
});
