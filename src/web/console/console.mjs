// SPDX-License-Identifier: Apache-2.0
// The console: asks for the token, asks the server every two seconds, shows the state line and one view. The token is in
// sessionStorage and in a header, and nowhere else.
import { Api } from './api.mjs';
import { byId, dismissed, h, say } from './dom.mjs';
import { duration } from './format.mjs';
import { Allocation, Allocations, Room, Rooms } from './lists.mjs';
import { Overview } from './overview.mjs';
import { Rates, Timeline } from './rates.mjs';
import { findings, headline } from './state.mjs';
import { Watch } from './watch.mjs';

const TOKEN = 'turnstone-admin-token';
const MARKS = { bad: 'Trouble', warn: 'Look' };
const VIEWS = { '': Overview, allocations: Allocations, allocation: Allocation, rooms: Rooms, room: Room };

/** A tab whose storage is closed keeps the token until it is loaded anew. */
const store = {
  get: () => { try { return sessionStorage.getItem(TOKEN); } catch { return null; } },
  set: (value) => { try { sessionStorage.setItem(TOKEN, value); } catch { /* this tab's memory has it */ } },
  remove: () => { try { sessionStorage.removeItem(TOKEN); } catch { /* it never had it */ } },
};

const app = {
  api: null,
  rates: new Rates(),
  timeline: new Timeline(),
  /** Tells what was done. */
  notice: (text) => say(byId('notice'), text),
  /** Shows another view, and there what was done. */
  go: (hash, text) => {
    farewell = text;
    location.hash = hash;
  },
  /** Does something for the operator; what goes wrong is told, unless the page is locked meanwhile. */
  run: (what) => what().catch((error) => (app.api === null ? null : trouble(error))),
};
let view = null;
let watch = null;
let ticking;
let problem = '';
let farewell = '';

function trouble(error) {
  if (error.status === 401) lock('The server does not know this token (any more).');
  else if (error.status === undefined) throw error;
  else app.notice(`That did not work: ${error.message}.`);
}

/** Back to the question for the token, which is forgotten unless nothing is known against it. */
function lock(why = '', keep = false) {
  if (!keep) store.remove();
  app.api = null;
  watch?.stop();
  watch = null;
  clearInterval(ticking);
  leave();
  dismissed();
  byId('view').replaceChildren();
  say(byId('notice'), '');
  show(false);
  document.title = 'Turnstone console';
  say(byId('login-problem'), why);
  byId('token').value = '';
  byId('token').focus();
}

/** The view has an end, too. */
function leave() {
  view?.stop?.();
  view = null;
}

function show(open) {
  document.body.dataset.state = open ? 'open' : 'locked';
  byId('login').hidden = open;
  for (const id of ['state', 'views', 'leave']) byId(id).hidden = !open;
}

async function enter(token) {
  const api = app.api = new Api(token, new URL('../v1/', location.href));
  app.rates = new Rates();
  app.timeline = new Timeline();
  const stats = await api.get(['stats']);
  if (api !== app.api) return;
  // Nothing hangs on it: without, graphs begin now. What it has is newer than `stats`, or older.
  const columns = await api.get(['history']).catch(() => null);
  if (api !== app.api) return;
  store.set(token);
  say(byId('login-problem'), '');
  show(true);
  app.timeline.load(columns);
  watch = new Watch({ ask: () => api.get(['stats']), took, failed, hidden: () => document.hidden });
  ticking = setInterval(tell, 1000);
  took(stats);
  route();
}

function failed(error) {
  if (error.status === 401) return trouble(error);
  problem = error.message;
  tell();
}

function took(stats) {
  problem = '';
  const what = app.rates.push(stats);
  if (what === 'restart') app.timeline = new Timeline();
  // One of two questions that were overtaken by each other: the other one said more.
  if (what !== 'late') app.timeline.push(stats.now);
  say(byId('node'), `${location.host}, ${stats.version}, up ${duration(stats.uptime_seconds)}`);
  tell();
  view?.update?.();
}

/** The state line. Its title alone is read out when it changes: numbers change all the time. */
function tell() {
  if (watch === null) return;
  const { silent } = watch;
  const found = findings(app.rates);
  const line = headline(app.rates, found, silent);
  byId('state').dataset.level = line.level;
  say(byId('state-title'), line.title);
  say(byId('state-text'), line.text);
  say(byId('state-hint'), line.hint ?? (silent > 8 ? problem : ''));
  const more = found.filter((finding) => finding !== line);
  const list = byId('state-more');
  if (list.childElementCount !== more.length) {
    list.replaceChildren(...more.map(() => h('li', null, h('span'), h('span'))));
  }
  more.forEach(({ level, title, text, hint }, i) => {
    const [mark, rest] = list.children[i].children;
    mark.className = `mark ${level}`;
    say(mark, `${MARKS[level]}: ${title}. `);
    say(rest, `${text} ${hint}`);
  });
  document.title = `${line.level === 'ok' ? '' : '⚠ '}${line.title} – Turnstone`;
}

/** Shows what the address names: #/view/argument?query */
function route() {
  if (watch === null) return;
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/');
  let words;
  try {
    words = rest.map(decodeURIComponent);
  } catch {
    words = [];
  }
  const wants = name === 'allocation' || name === 'room';
  const View = Object.hasOwn(VIEWS, name) && (!wants || words[0]) ? VIEWS[name] : Overview;
  const place = byId('view');
  leave();
  place.replaceChildren();
  app.notice(farewell);
  farewell = '';
  const shown = view = new View(app, place, words, new URLSearchParams(query));
  for (const link of document.querySelectorAll('nav a')) {
    const current = link.getAttribute('href') === `#/${{ allocation: 'allocations', room: 'rooms' }[name] ?? name}`;
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  shown.update?.();
  if (shown.start) app.run(() => shown.start());
  if (shown.refresh) live(shown);
}

/** What a view asks for by itself, while it is shown. */
function live(shown) {
  const turn = async () => {
    if (view !== shown) return;
    // A single answer that fails to come is no news: the state line tells when there are none at all.
    if (!document.hidden) await shown.refresh().catch((error) => (error.status === 401 ? trouble(error) : null));
    if (view === shown) setTimeout(turn, shown.period);
  };
  turn();
}

byId('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const token = byId('token').value.trim();
  // One at a time.
  if (!token || app.api !== null) return;
  await enter(token).catch((error) => {
    app.api = null;
    say(byId('login-problem'), error.status === 401 ? 'The server does not know this token.' : `That did not work: ${error.message}.`);
  });
});
byId('leave').addEventListener('click', () => lock());
addEventListener('hashchange', () => {
  route();
  byId('main').focus({ preventScroll: true });
  scrollTo(0, 0);
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) watch?.look(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => view?.restyle?.());

const kept = store.get();
if (kept) {
  enter(kept).catch((error) => (error.status === 401 ? lock('The server does not know this token any more.')
    : lock(`That did not work: ${error.message}. Reload the page to try again.`, true)));
}
if (!kept) lock();
