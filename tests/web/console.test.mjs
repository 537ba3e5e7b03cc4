// SPDX-License-Identifier: Apache-2.0
// The console's pure parts, and what its files promise.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Api, ApiError } from '../../src/web/console/api.mjs';
import { bits, bytes, count, duration, each, percent, plural, rate, words } from '../../src/web/console/format.mjs';
import { speed } from '../../src/web/console/overview.mjs';
import { Rates, Timeline, at, total } from '../../src/web/console/rates.mjs';
import { findings, headline } from '../../src/web/console/state.mjs';
import { Watch } from '../../src/web/console/watch.mjs';

const folder = new URL('../../src/web/console/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');

describe('numbers', () => {
  const table = (what, cases) => test(what.name, () => {
    for (const [value, text] of cases) assert.equal(what(value), text, `${value}`);
  });
  table(bits, [[0, '0 bit/s'], [999, '999 bit/s'], [999.6, '1 kbit/s'], [1000, '1 kbit/s'], [1_234_567, '1.23 Mbit/s'], [2.5e13, '25 Tbit/s'],
    [undefined, '–'], [NaN, '–'], [Infinity, '–']]);
  table(bytes, [[0, '0 B'], [1023, '1023 B'], [1024, '1 KiB'], [1_536, '1.5 KiB'], [5 * 2 ** 30, '5 GiB']]);
  table(count, [[0, '0'], [999, '999'], [12_345, '12\u202f345'], [99_999, '99\u202f999'], [1_234_567, '1.23 M'], [null, '–']]);
  table(rate, [[0, '0'], [0.001, 'under 0.01/s'], [0.5, '0.5/s'], [3.14, '3.1/s'], [250.4, '250/s'], [12_345, '12.3 k/s']]);
  table(percent, [[0, '0 %'], [0.0004, 'under 0.1 %'], [0.055, '5.5 %'], [0.5, '50 %'], [0.9999, '99.9 %'], [1, '100 %'], [NaN, '–']]);
  table(duration, [[0, '0 s'], [59.9, '59 s'], [60, '1 min'], [61, '1 min 1 s'], [3600, '1 h'], [3725, '1 h 2 min'], [90_000, '1 d 1 h'], [86_400 + 60, '1 d'], [-5, '0 s']]);
  test('words', () => {
    assert.equal(plural(1, 'room'), '1 room');
    assert.equal(plural(0, 'room'), '0 rooms');
    assert.equal(each(1, 'packet'), '1 packet/s');
    assert.equal(each(12_345, 'packet'), '12.3 k packets/s');
    assert.equal(each(0.001, 'packet'), 'under 0.01 packets/s');
    assert.equal(words('stale_nonce'), 'stale nonce');
  });
});

/** An answer of /v1/stats in which all is well, with some of it changed. */
function stats(uptime, changes = {}) {
  const moment = { at: uptime, allocations: 100, sessions: 10, to_peer_bytes: uptime * 1e6, to_client_bytes: uptime * 1e6, packets: uptime * 2000,
    auth_failures: 0, denials: 0, drops: 0, ...changes.now };
  return {
    time: 1_800_000_000 + uptime, uptime_seconds: uptime, version: '0.1.0', commit: 'abc', draining: false, threads: 2, bugs: 0,
    certificate_expires: 1_900_000_000, process: { cpu_seconds: uptime * 0.2, resident_bytes: 5e7, open_fds: 300, max_fds: 1e6 },
    limits: { allocations: 0, allocations_per_user: 0, streams: 50_000, bits_per_second: 0 }, allocations: { udp: 90, tls: 10 },
    allocations_by_thread: [50, 50], allocations_created: uptime, allocations_ended: {}, permissions: 100, channels: 100, ports: { used: 100, free: 9900 },
    relayed: { to_peer: { udp: { packets: uptime * 1000, bytes: uptime * 1e6 } }, to_client: { udp: { packets: uptime * 1000, bytes: uptime * 1e6 } } },
    offload: null, requests: { allocate: { success: uptime, 401: uptime } }, auth_failures: { no_credentials: uptime * 50, stale_nonce: uptime },
    denials: {}, drops: {}, revocations: {}, revocations_forgotten: {}, hook: { results: {}, seconds: 0, waiting: 0 },
    streams: { open: {}, accepted: {}, refused: {} }, udp: { received: uptime * 2000, sent: uptime * 2000, send_errors: 0, receive_drops: {} },
    signaling: { sessions: 10, members: 10, rooms: 4, memberships: 10, lost: 0, replay_bytes: 0, messages: uptime * 5, errors: {}, closed: {} },
    ...changes, now: moment,
  };
}

/** Rates between two answers 30 s apart. */
function between(later = {}, earlier = {}) {
  const rates = new Rates();
  rates.push(stats(1000, earlier));
  rates.push(stats(1030, later));
  return rates;
}

describe('rates', () => {
  test('what is not told is 0', () => {
    assert.equal(at({ a: { b: 2 } }, ['a', 'b']), 2);
    assert.equal(at({}, ['a', 'b']), 0);
    assert.equal(at({ a: 'x' }, ['a']), 0);
    assert.equal(total({ a: { b: 2, c: 3, d: { e: 1 } } }, ['a'], ['c']), 3);
  });

  test('are differences over the time between two answers', () => {
    const rates = between({ denials: { no_port: 60, private: 30 } }, { denials: { private: 30 } });
    assert.equal(rates.span, 30);
    assert.equal(rates.of('denials', 'no_port'), 2);
    assert.equal(rates.of('denials', 'private'), 0);
    assert.equal(rates.of('denials', 'nothing'), 0);
    assert.equal(rates.ofAll(['denials']), 2);
    assert.equal(rates.ofAll(['denials'], ['no_port']), 0);
    assert.deepEqual(rates.rows('denials'), [{ name: 'no_port', rate: 2, total: 60 }, { name: 'private', rate: 0, total: 30 }]);
    assert.equal(rates.most(['denials']), 'no_port');
    assert.equal(rates.most(['denials'], ['no_port']), undefined);
  });

  test('are of the last half minute', () => {
    const rates = new Rates(30);
    for (let t = 0; t <= 120; t += 2) rates.push(stats(t, { drops: { not_stun: t < 60 ? 1000 * t : 60_000 } }));
    assert.equal(rates.span, 30);
    assert.equal(rates.of('drops', 'not_stun'), 0);
  });

  test('begin anew when the server does, and know no rate of one answer', () => {
    const rates = between();
    const after = (uptime) => ({ ...stats(uptime), time: 1_800_001_100 + uptime });
    assert.equal(rates.push(after(5)), 'restart');
    assert.equal(rates.span, 0);
    assert.equal(rates.of('allocations_created'), 0);
    assert.equal(rates.now.uptime_seconds, 5);
    assert.equal(rates.push(after(5)), 'late');
    assert.equal(rates.span, 0, 'the same answer twice');
    assert.equal(rates.push({ ...stats(2000), time: 1_800_009_000 }), 'restart', 'which has been up for longer than the former one was');
    assert.equal(rates.span, 0);
  });

  test('take no answer that was overtaken for a restart', () => {
    const rates = between();
    assert.equal(rates.push({ ...stats(1028), time: 1_800_001_029 }), 'late', 'clocks tell whole seconds');
    assert.equal(rates.span, 30);
    assert.equal(rates.now.uptime_seconds, 1030);
    assert.equal(rates.push(stats(1032)), 'next');
  });

  test('are not of the hour in which nobody asked', () => {
    const rates = new Rates(30);
    for (const t of [0, 2, 4]) rates.push(stats(t));
    for (let t = 3660; t <= 3690; t += 2) {
      rates.push(stats(t, { denials: { private: t > 3670 ? 100 * (t - 3670) : 0 } }));
      assert.ok(rates.span <= 32, `${rates.span} s at ${t}`);
    }
    assert.ok(rates.of('denials', 'private') > 50);
    for (let t = 3690; t <= 3990; t += 60) rates.push(stats(t));
    assert.equal(rates.span, 60, 'a tab in the background asks once a minute');
  });
});

describe('timeline', () => {
  const series = [{ field: 'to_peer_bytes', rate: true, scale: 8 }, { field: 'allocations' }];

  test('makes columns of history and of what comes after it', () => {
    const line = new Timeline();
    line.load({ at: [10, 15], to_peer_bytes: [0, 500], allocations: [1, 2] });
    line.push({ at: 17, to_peer_bytes: 700, allocations: 3 });
    assert.deepEqual(line.columns(series), [[-2, 0], [800, 800], [2, 3]]);
  });

  test('has a gap where nothing was heard, and forgets', () => {
    const line = new Timeline(600);
    line.push({ at: 0, to_peer_bytes: 0, allocations: 1 });
    line.push({ at: 100, to_peer_bytes: 10, allocations: 1 });
    assert.deepEqual(line.columns(series), [[0], [null], [null]]);
    line.push({ at: 650, to_peer_bytes: 10, allocations: 1 });
    assert.equal(line.size, 2);
    line.load(undefined);
    line.load({ at: [] });
    assert.equal(line.size, 2);
  });

  test('keeps what it has when an answer comes that was overtaken', () => {
    const line = new Timeline();
    line.load({ at: Array.from({ length: 120 }, (_, i) => 5 * i), allocations: Array(120).fill(1) });
    // Asked before the history was, which a sample has been added to since.
    line.push({ at: 594, allocations: 1 });
    assert.equal(line.size, 120);
    line.push({ at: 596, allocations: 1 });
    assert.equal(line.size, 121);
  });
});

describe('the state line', () => {
  const ids = (...args) => findings(between(...args)).map(({ id, level }) => `${level} ${id}`);

  test('says that all is well', () => {
    assert.deepEqual(ids(), []);
    const line = headline(between(), []);
    assert.equal(line.level, 'ok');
    assert.match(line.text, /100 allocations relay 16 Mbit\/s/);
    assert.equal(headline(new Rates(), []).level, 'wait');
  });

  const cases = [
    ['warn draining', { draining: true }],
    ['bad certificate', { certificate_expires: 1_800_000_000 }],
    ['bad certificate', { certificate_expires: 1_800_003_600 }],
    ['warn certificate', { certificate_expires: 1_800_000_000 + 10 * 86_400 }],
    ['bad ports', { denials: { no_port: 1 }, ports: { used: 100, free: 0 } }],
    ['bad ports', { ports: { used: 96, free: 4 } }],
    ['warn ports', { ports: { used: 85, free: 15 } }],
    ['bad full', { denials: { quota_total: 1 } }],
    ['warn full', { limits: { allocations: 105, streams: 0, bits_per_second: 0 } }],
    ['bad authentication', { auth_failures: { no_credentials: 50_000, wrong_password: 300 } }],
    ['bad allocating', { requests: { allocate: { success: 1010, 401: 1030, 486: 100 } } }],
    ['bad oneWay', { relayed: { to_peer: { udp: { packets: 1e6, bytes: 1 } }, to_client: {} } }, { relayed: { to_peer: {}, to_client: {} } }],
    ['bad buffers', { udp: { received: 2_060_000, sent: 1, send_errors: 0, receive_drops: { relay: 3000 } } }],
    ['warn buffers', { udp: { received: 2_060_000, sent: 1, send_errors: 0, receive_drops: { relay: 200 } } }],
    ['warn sending', { udp: { received: 2_060_000, sent: 2_060_000, send_errors: 2000, receive_drops: {} } }],
    ['warn cpu', { process: { cpu_seconds: 200 + 54, open_fds: 1, max_fds: 100 } }],
    ['bad cpu', { process: { cpu_seconds: 200 + 59.9, open_fds: 1, max_fds: 100 } }],
    ['warn descriptors', { process: { cpu_seconds: 206, open_fds: 90, max_fds: 100 } }],
    ['bad streams', { streams: { open: {}, accepted: {}, refused: { limit: 1 } } }],
    ['warn streams', { streams: { open: {}, accepted: { https: 3 }, refused: { tls_failed: 30 } } }],
    ['bad hook', { hook: { results: { found: 10, timed_out: 10 }, waiting: 0 } }],
    ['warn flood', { drops: { source_rate: 3000 } }],
    ['warn scan', { denials: { private: 200, loopback: 100, quota_user: 5000 } }],
    ['warn throttled', { drops: { bit_rate: 6000 } }],
    ['warn throttled', { drops: { queue_full: 6000 } }],
    ['warn broken', { allocations_ended: { relay_failed: 1 } }],
    ['warn signaling', { signaling: { ...stats(0).signaling, messages: 5150, errors: { unauthorized: 100 } } }],
    ['warn forgotten', { revocations_forgotten: { departure: 10 } }],
    ['warn bug', { bugs: 1 }],
  ];
  for (const [wanted, later, earlier] of cases) {
    test(`${wanted}: ${JSON.stringify(later).slice(0, 70)}`, () => {
      const found = findings(between(later, earlier));
      assert.ok(found.some(({ id, level }) => `${level} ${id}` === wanted), JSON.stringify(found));
      for (const { title, text, hint } of found) {
        assert.ok(title && text && hint);
        assert.doesNotMatch(`${title} ${text} ${hint}`, /undefined|NaN|Infinity|null/);
      }
    });
  }

  // What a rule is about, at a rate or a share: just below its threshold nothing is said, just above it is.
  const packets = (each) => ({ relayed: { to_peer: { udp: { packets: 30 * each, bytes: 1 } }, to_client: {} } });
  const silence = { relayed: { to_peer: {}, to_client: {} } };
  const received = { udp: { received: 2_060_000, sent: 1, send_errors: 0, receive_drops: {} } };
  const process = (cpu, fds = 1) => ({ process: { cpu_seconds: 200 + 60 * cpu, open_fds: fds, max_fds: 1000 } });
  const messages = { ...stats(0).signaling, messages: 5150 };
  const thresholds = [
    ['oneWay', 5, packets, silence],
    ['ports', 0.8, (share) => ({ ports: { used: 1000 * share, free: 1000 * (1 - share) } })],
    ['full', 0.9, (share) => ({ allocations: { udp: 1000 * share }, limits: { allocations: 1000 } })],
    ['certificate', 14 * 86_400, (left) => ({ certificate_expires: 1_800_001_030 + left }), {}, 'below'],
    ['authentication', 1, (each) => ({ auth_failures: { wrong_password: 30 * each }, requests: { allocate: {} } }), { auth_failures: {}, requests: { allocate: {} } }],
    ['allocating', 0.2, (share) => ({ requests: { allocate: { success: 1e4 * (1 - share), 486: 1e4 * share } } }), { requests: { allocate: {} } }],
    ['buffers', 0.001, (share) => ({ udp: { ...received.udp, receive_drops: { relay: 60_000 * share } } })],
    ['sending', 0.01, (share) => ({ udp: { ...received.udp, sent: 2_000_000 + 60_000 * (1 - share), send_errors: 60_000 * share } })],
    ['cpu', 0.85, process],
    ['descriptors', 0.85, (share) => process(0, 1000 * share)],
    ['streams', 0.1, (each) => ({ streams: { open: {}, accepted: {}, refused: { tls_failed: 30 * each } } })],
    ['hook', 0.1, (share) => ({ hook: { results: { found: 1e4 * (1 - share), timed_out: 1e4 * share }, waiting: 0 } })],
    ['flood', 50, (each) => ({ drops: { source_rate: 30 * each } })],
    ['scan', 5, (each) => ({ denials: { private: 30 * each } })],
    ['throttled', 0.01, (share) => ({ drops: { bit_rate: 60_000 * share } })],
    ['signaling', 0.2, (share) => ({ signaling: { ...messages, errors: { unauthorized: 150 * share } } })],
  ];
  for (const [rule, threshold, make, earlier, direction] of thresholds) {
    test(`${rule} is told from ${threshold} on`, () => {
      const [quiet, loud] = direction === 'below' ? [1.02, 0.98] : [0.98, 1.02];
      const told = (factor) => findings(between(make(threshold * factor), earlier)).some(({ id }) => id === rule);
      assert.equal(told(quiet), false);
      assert.equal(told(loud), true);
    });
  }

  test('has the thresholds of the alerts', () => {
    const rules = readFileSync(new URL('../../deploy/prometheus/turnstone.rules.yaml', import.meta.url), 'utf8');
    const alerts = { oneWay: 'RelayOneWay', allocating: 'AllocationsFailing', flood: 'FloodSuspected', scan: 'PeersDenied', descriptors: 'OpenFilesHigh',
      cpu: 'CpuSaturated', ports: 'RelayPortsLow', hook: 'CredentialHookFailing', signaling: 'SignalingErrors', sending: 'SendErrors', buffers: 'ReceiveBufferDrops' };
    for (const [rule, alert] of Object.entries(alerts)) {
      const expr = new RegExp(`alert: Turnstone${alert}\n([\\s\\S]*?)labels:`).exec(rules);
      assert.ok(expr, alert);
      const [, threshold] = thresholds.find(([name]) => name === rule);
      assert.ok([...expr[1].matchAll(/> ([\d.]+)/g)].some(([, value]) => Number(value) === threshold), `${alert}: ${expr[1]}`);
    }
  });

  test('knows what is part of normal operation', () => {
    assert.deepEqual(ids({ auth_failures: { no_credentials: 1e6, stale_nonce: 1e5 } }), []);
    assert.deepEqual(ids({ auth_failures: { wrong_password: 20 } }), [], 'some always mistype');
    assert.deepEqual(ids({ draining: true, requests: { allocate: { success: 1000, 508: 500 } } }), ['warn draining'], 'refused on purpose');
    assert.deepEqual(ids({ certificate_expires: null }), [], 'no TLS');
    assert.deepEqual(ids({ denials: { quota_user: 30 } }), [], 'one user at its own limit is not the server\'s trouble');
    assert.deepEqual(ids({ ports: { used: 0, free: 0 } }), [], 'no TURN');
  });

  test('tells the worst first, and why', () => {
    const rates = between({ draining: true, auth_failures: { wrong_password: 900 }, drops: { source_rate: 9000 } });
    const found = findings(rates);
    assert.deepEqual(found.map((f) => f.id), ['authentication', 'draining', 'flood']);
    const line = headline(rates, found);
    assert.equal(line.level, 'bad');
    assert.match(line.text, /mostly wrong password/);
    assert.match(line.hint, /secret/);
  });

  test('says that nobody answers, whatever was true before', () => {
    const line = headline(between(), [], 12);
    assert.equal(line.level, 'bad');
    assert.match(line.text, /12 s/);
  });
});

describe('the watch', () => {
  /** A watch in a world whose time stands still: go(ms) lets it pass. */
  function world() {
    const w = { time: 0, hidden: false, asked: [], took: [], failed: [], plan: null };
    w.watch = new Watch({
      ask: () => new Promise((good, bad) => { w.asked.push({ good, bad, at: w.time }); }),
      took: (answer) => w.took.push(answer), failed: (error) => w.failed.push(error), hidden: () => w.hidden, now: () => w.time,
      later: (what, ms) => (w.plan = { what, at: w.time + ms }), never: (plan) => { if (w.plan === plan) w.plan = null; },
    });
    w.go = async (ms) => {
      for (const end = w.time + ms; w.time < end;) {
        w.time += 100;
        if (w.plan && w.time >= w.plan.at) {
          const { what } = w.plan;
          w.plan = null;
          what();
        }
        await null;
      }
    };
    w.answer = async (i, what = i) => { w.asked[i].good(what); await null; await null; await null; };
    return w;
  }

  test('asks two seconds after each answer, and one question at a time', async () => {
    const w = world();
    await w.go(2000);
    assert.equal(w.asked.length, 1);
    w.watch.look();
    await w.go(5000);
    assert.equal(w.asked.length, 1, 'the first one has no answer yet');
    await w.answer(0);
    assert.deepEqual(w.took, [0]);
    await w.go(2000);
    assert.equal(w.asked.length, 2);
  });

  test('of a server that is silent, since when', async () => {
    const w = world();
    await w.go(2000);
    assert.equal(w.watch.silent, 2);
    await w.go(7000);
    assert.equal(w.watch.silent, 9);
    w.asked[0].bad(new Error('gone'));
    await w.go(3000);
    assert.equal(w.failed.length, 1);
    assert.equal(w.watch.silent, 12, 'an error is no answer');
    await w.answer(1);
    assert.equal(w.watch.silent, 0);
  });

  test('goes on while nobody looks, and is not silent because it did not ask', async () => {
    const w = world();
    w.hidden = true;
    await w.go(2000);
    await w.answer(0);
    for (let i = 1; i < 6; i++) {
      await w.go(9900);
      assert.equal(w.watch.silent, 0, 'nobody was asked');
      await w.go(100);
      assert.equal(w.asked.length, i + 1);
      await w.answer(i);
    }
    await w.go(18_000);
    assert.ok(w.watch.silent > 8, 'and a server that has gone is told meanwhile');
    w.asked[6].bad(new Error('gone'));
    await w.go(1000);
    w.hidden = false;
    const asked = w.asked.length;
    w.watch.look();
    assert.equal(w.asked.length, asked + 1, 'at once, for who comes back');
  });

  test('of which nothing is left when it is stopped', async () => {
    const w = world();
    await w.go(2000);
    w.watch.stop();
    await w.answer(0);
    await w.go(20_000);
    w.watch.look();
    assert.deepEqual([w.took.length, w.failed.length, w.asked.length, w.plan], [0, 0, 1, null]);
  });
});

test('a rate that is an average says of how long', () => {
  assert.equal(speed({ bits_per_second: 1e6, measured_seconds: 5 }), '1 Mbit/s');
  assert.equal(speed({ bits_per_second: 1e6, measured_seconds: 7200 }), '1 Mbit/s over 2 h');
});

describe('api', () => {
  const api = (status, body, seen = []) => new Api('secret', 'http://127.0.0.1:8081/x/v1/', async (url, options) => {
    seen.push({ url: String(url), ...options });
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  });

  test('has the token in a header and never in a URL', async () => {
    const seen = [];
    await api(200, { a: 1 }, seen).get(['allocations'], { user: 'a&b', cursor: '' });
    assert.equal(seen[0].url, 'http://127.0.0.1:8081/x/v1/allocations?user=a%26b');
    assert.equal(seen[0].headers.Authorization, 'Bearer secret');
    assert.equal(seen[0].credentials, 'same-origin', 'for the certificates and cookies of a proxy');
    assert.equal(seen[0].redirect, 'error');
  });

  test('names what it is asked for and nothing else', async () => {
    const seen = [];
    await api(200, {}, seen).remove(['members'], { room: 'a/b?c#d%', peer: 'x/../..', reason: 'bye' });
    assert.equal(seen[0].method, 'DELETE');
    const url = new URL(seen[0].url);
    assert.equal(url.pathname, '/x/v1/members', 'no proxy has a name to take for a path');
    assert.deepEqual(Object.fromEntries(url.searchParams), { room: 'a/b?c#d%', peer: 'x/../..', reason: 'bye' });
    for (const name of ['..', '.', 'é ..', 'tea/members/bob']) {
      await api(200, {}, seen).remove(['rooms'], { room: name });
      assert.equal(new URL(seen.at(-1).url).pathname, '/x/v1/rooms');
      assert.equal(new URL(seen.at(-1).url).searchParams.get('room'), name);
    }
    const before = seen.length;
    for (const id of ['.', '..', '', '1-2/..', '1%2F2', '..\\', 'é']) {
      await assert.rejects(api(200, {}, seen).remove(['allocations', id]), ApiError, 'what is in the address bar may be anything');
    }
    assert.equal(seen.length, before);
    await api(200, {}, seen).remove(['allocations', '0-17-3']);
    assert.equal(new URL(seen.at(-1).url).pathname, '/x/v1/allocations/0-17-3');
  });

  test('tells errors in the words of the server', async () => {
    await assert.rejects(api(404, { error: 'not_found', message: 'there is no such room' }).get(['rooms']), { status: 404, code: 'not_found', message: 'there is no such room' });
    await assert.rejects(api(502, '<html>').get(['rooms']), { status: 502 });
    const broken = new Api('t', 'http://h/', async () => { throw new TypeError('fetch failed'); });
    await assert.rejects(broken.get(['stats']), { status: 0, code: 'unreachable' });
  });
});

describe('files', () => {
  const names = readdirSync(folder, { recursive: true }).filter((name) => /\.(mjs|js|css|html)$/.test(name));
  const own = names.filter((name) => !name.startsWith('vendor'));

  test('are small', () => {
    const size = names.reduce((sum, name) => sum + gzipSync(read(name), { level: 9 }).length, 0);
    assert.ok(size < 60 * 1024, `${size} bytes`);
  });

  test('load nothing from elsewhere, and hold no code that the policy forbids', () => {
    for (const name of own) {
      const text = read(name).replaceAll('http://www.w3.org/2000/svg', '');
      assert.doesNotMatch(text, /https?:\/\//, name);
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|\.cookie/, name);
    }
    const page = read('index.html');
    assert.doesNotMatch(page, /<script(?![^>]*\ssrc=)[^>]*>|\son\w+=|\sstyle=/);
    for (const [, path] of page.matchAll(/(?:src|href)="([^"#][^":]*)"/g)) assert.ok(names.includes(path), path);
  });

  test('name each other', () => {
    for (const name of own.filter((n) => n.endsWith('.mjs'))) {
      for (const [, path] of read(name).matchAll(/from '\.\/([^']+)'/g)) assert.ok(names.includes(path), path);
    }
    const ids = [...read('index.html').matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    for (const [, id] of read('console.mjs').matchAll(/byId\('([^']+)'\)/g)) assert.ok(ids.includes(id), id);
  });

  test('the graph library is the one that the tests\' package list has', () => {
    const version = /\(v([\d.]+)\)/.exec(read('vendor/uPlot.js').slice(0, 200))[1];
    const list = JSON.parse(readFileSync(new URL('../lib/npm/package.json', import.meta.url), 'utf8'));
    assert.equal(list.dependencies.uplot, version);
  });
});
