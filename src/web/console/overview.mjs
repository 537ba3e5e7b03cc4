// SPDX-License-Identifier: Apache-2.0
// The first view: load, what is refused and lost and why, who talks most, the node's health.
import { h, named, replaceKeeping, say, table } from './dom.mjs';
import { bits, bytes, count, duration, each, percent, plural, rate, words } from './format.mjs';
import { Graph } from './graph.mjs';
import { at, total } from './rates.mjs';
import { NORMAL_AUTH } from './state.mjs';

const REASONS = 14;
/** Seconds, of a rate that is an average rather than the rate now. */
const LONG = 60;
/** Everything that may go wrong, by where it is told. */
const TROUBLES = [
  ['Login', ['auth_failures']],
  ['Denied', ['denials']],
  ['Dropped', ['drops']],
  ['Lost in the kernel', ['udp', 'receive_drops']],
  ['Stream refused', ['streams', 'refused']],
  ['Signaling', ['signaling', 'errors']],
];

const GRAPHS = [
  { title: 'Throughput', format: bits, series: [
    { label: 'to peers', color: 'series-a', field: 'to_peer_bytes', rate: true, scale: 8 },
    { label: 'to clients', color: 'series-b', field: 'to_client_bytes', rate: true, scale: 8 },
  ] },
  { title: 'Allocations and signaling sessions', format: count, series: [
    { label: 'allocations', color: 'series-a', field: 'allocations' },
    { label: 'sessions', color: 'series-b', field: 'sessions' },
  ] },
  { title: 'Refused and lost', format: rate, series: [
    { label: 'failed logins', color: 'series-a', field: 'auth_failures', rate: true },
    { label: 'denied', color: 'series-b', field: 'denials', rate: true },
    { label: 'dropped', color: 'series-c', field: 'drops', rate: true },
  ] },
];

/** Rows of everything that was refused or lost, the fastest first. */
export function troubles(rates) {
  return TROUBLES
    .flatMap(([group, path]) => rates.rows(...path).map((row) => ({ group, ...row })))
    .concat(at(rates.now, ['udp', 'send_errors']) > 0
      ? [{ group: 'Lost in the kernel', name: 'send_errors', total: at(rates.now, ['udp', 'send_errors']), rate: rates.of('udp', 'send_errors') }] : [])
    .filter(({ group, name }) => group !== 'Login' || !NORMAL_AUTH.includes(name))
    .sort((a, b) => b.rate - a.rate || b.total - a.total);
}

/** [label, value, what else], of `Rates`. */
export function tiles(rates) {
  const { now } = rates;
  const flow = (direction) => bits(8 * rates.of('now', `${direction}_bytes`));
  const [used, free] = [at(now, ['ports', 'used']), at(now, ['ports', 'free'])];
  const limit = at(now, ['limits', 'allocations']);
  const left = now.certificate_expires === null ? null : now.certificate_expires - now.time;
  const failed = rates.ofAll(['auth_failures'], NORMAL_AUTH);
  return [
    ['To peers', flow('to_peer'), `${each(rates.of('now', 'packets'), 'packet')} both ways`],
    ['To clients', flow('to_client'), Object.entries(now.allocations).map(([via, n]) => `${count(n)} ${via}`).join(', ') || 'nobody'],
    ['Allocations', count(total(now, ['allocations'])), limit ? `of ${count(limit)}` : `${each(rates.of('allocations_created'), 'new one')}`],
    ['Rooms', count(now.signaling.rooms), plural(now.signaling.sessions, 'session')],
    ['Failed logins', rate(failed), failed > 0 ? `mostly ${words(rates.most(['auth_failures'], NORMAL_AUTH))}` : 'none now'],
    ['Denied', rate(rates.ofAll(['denials'])), words(rates.most(['denials']) ?? 'nobody now')],
    ['Dropped', rate(rates.of('now', 'drops')), words(rates.most(['drops']) ?? 'nothing now')],
    ['Relay ports', used + free > 0 ? percent(used / (used + free)) : '–', `${count(free)} left`],
    ['Processor', rates.span > 0 ? percent(rates.of('process', 'cpu_seconds') / now.threads) : '–', `of ${plural(now.threads, 'thread')}`],
    ['Certificate', left === null ? 'none' : left > 0 ? duration(left) : 'expired', left === null ? 'no TLS' : left > 0 ? 'left' : 'renew it'],
  ];
}

/** [name, value] about the node. */
export function facts(now) {
  const share = (of, most) => (most > 0 ? `${count(of)} of ${count(most)}` : count(of));
  const some = (node, none) => Object.entries(node ?? {}).map(([name, n]) => `${count(n)} ${words(name)}`).join(', ') || none;
  const limit = (value, format) => (value > 0 ? format(value) : 'none');
  return [
    ['Version', [now.version, now.commit].filter(Boolean).join(', ')],
    ['Up for', duration(now.uptime_seconds)],
    ['Allocations by thread', now.allocations_by_thread.map(count).join(', ')],
    ['Permissions, channels', `${count(now.permissions)}, ${count(now.channels)}`],
    ['Memory', bytes(now.process.resident_bytes)],
    ['File descriptors', share(now.process.open_fds, now.process.max_fds)],
    ['Open streams', `${some(now.streams.open, 'none')} (limit ${limit(now.limits.streams, count)})`],
    ['Limits', `allocations ${limit(now.limits.allocations, count)}, of a user ${limit(now.limits.allocations_per_user, count)}, rate ${limit(now.limits.bits_per_second, bits)}`],
    ['Relayed by the kernel', now.offload ? plural(now.offload.flows, 'flow') : 'off'],
    ['Credential hook', some(now.hook.results, 'not asked') + (now.hook.waiting > 0 ? `, ${count(now.hook.waiting)} waiting` : '')],
    ['Revocations', some(now.revocations, 'none')],
    ['Signaling', `${plural(now.signaling.members, 'member')}, ${count(now.signaling.lost)} lost and may resume`],
    ['Ended allocations', some(now.allocations_ended, 'none')],
  ];
}

/** A rate; and over how long it is, where that is not about now. */
export const speed = ({ bits_per_second: value, measured_seconds: over }) => (over > LONG ? `${bits(value)} over ${duration(over)}` : bits(value));

export class Overview {
  title = 'Overview';
  period = 5000;
  #app;
  #tiles;
  #reasons = h('div', { class: 'scroll' });
  #talkers = h('div', { class: 'scroll', 'data-testid': 'talkers' });
  #facts = h('dl', { class: 'facts', 'data-testid': 'facts' });
  #graphs;

  constructor(app, place) {
    this.#app = app;
    this.#tiles = h('dl', { class: 'tiles', 'data-testid': 'tiles' });
    const graphs = h('div', { class: 'graphs', 'data-testid': 'graphs' });
    place.append(this.#tiles, graphs, h('div', { class: 'tables' },
      h('section', { class: 'card', 'data-testid': 'reasons' }, h('h2', null, 'Refused and lost, by reason'), this.#reasons),
      h('section', { class: 'card' }, h('h2', null, 'Node'), this.#facts),
      h('section', { class: 'card wide' }, h('h2', null, 'Top talkers'), this.#talkers)));
    this.#graphs = GRAPHS.map((graph) => new Graph(graphs, graph));
  }

  update() {
    const { rates, timeline } = this.#app;
    const shown = tiles(rates);
    if (this.#tiles.childElementCount !== shown.length) {
      this.#tiles.replaceChildren(...shown.map(([label]) => h('div', { class: 'card tile' }, h('dt', null, label), h('dd'), h('dd'))));
    }
    shown.forEach(([, value, more], i) => {
      say(this.#tiles.children[i].children[1], value);
      say(this.#tiles.children[i].children[2], more);
    });
    for (const graph of this.#graphs) graph.show(timeline);
    this.#reasons.replaceChildren(table('Refused and lost, by reason', [['What'], ['Reason'], ['Now', true], ['In all', true]],
      troubles(rates).slice(0, REASONS).map(({ group, name, rate: now, total: all }) => [group, words(name), rate(now), count(all)]), 'Nothing was refused or lost.'));
    const known = facts(rates.now);
    if (this.#facts.childElementCount !== 2 * known.length) {
      this.#facts.replaceChildren(...known.flatMap(([name]) => [h('dt', null, name), h('dd')]));
    }
    known.forEach(([, value], i) => say(this.#facts.children[2 * i + 1], value));
  }

  async refresh() {
    const { allocations, complete } = await this.#app.api.get(['top']);
    const rows = allocations.map((a) => [
      h('a', { href: `#/allocation/${a.id}`, 'data-key': a.id }, a.id), named(a.user), a.client, a.transport, speed(a),
      rate(a.packets_per_second), bytes(a.to_peer.bytes + a.to_client.bytes), duration(a.age_seconds)]);
    replaceKeeping(this.#talkers, table('Top talkers', [['Allocation'], ['User'], ['Client'], ['Via'], ['Rate', true], ['Packets', true], ['In all', true], ['Age', true]],
      rows, 'Nobody relays anything.'), complete ? null : h('p', { class: 'muted' }, 'There are more allocations than one look reaches; others may talk more. The next look goes on with them.'));
  }

  stop() {
    for (const graph of this.#graphs) graph.stop();
  }

  restyle() {
    for (const graph of this.#graphs) graph.restyle();
  }
}
