// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { FakePeerConnection, FakeWebSocket, SignalError, connect, install, settle, tick, uninstall } from './fakes.mjs';

const url = 'wss://example.test/v1/ws';
let client;

/** A client that is in session. */
async function session(options = {}, welcome = {}) {
  client = connect({ url, ...options });
  await FakeWebSocket.last.welcome(welcome);
  assert.equal(client.state, 'open');
  return FakeWebSocket.last;
}

async function joinRoom(socket, room, peers = [], meta = undefined) {
  const joining = client.join(room, meta);
  await settle();
  await socket.say({ t: 'joined', id: socket.lastOf('join').id, room, peers });
  return joining;
}

/** Collects the events of one type. */
function record(type) {
  const events = [];
  client.on(type, (event) => events.push(event));
  return events;
}

const code = (wanted) => (error) => error instanceof SignalError && error.code === wanted;

beforeEach(() => install());
afterEach(() => {
  client?.close();
  uninstall();
});

describe('hello', () => {
  test('is the first frame and carries what was given', async () => {
    const socket = await session({ token: 'secret', peer: 'ada', meta: { name: 'Ada' } });
    assert.equal(socket.url, url);
    assert.equal(socket.protocol, 'signal.v1+json');
    assert.deepEqual(socket.sent[0], { t: 'hello', v: 1, token: 'secret', peer: 'ada', meta: { name: 'Ada' } });
    assert.equal(client.peer, 'me', 'the id in the welcome counts');
  });

  test('an http url becomes a ws url', () => {
    client = connect({ url: 'https://example.test/v1/ws' });
    assert.equal(FakeWebSocket.last.url, 'wss://example.test/v1/ws');
  });

  test('a token function is asked again at every attempt', async () => {
    let n = 0;
    const socket = await session({ token: async () => `token-${++n}` });
    await socket.drop();
    await tick(375);
    await FakeWebSocket.last.open();
    assert.equal(FakeWebSocket.last.lastOf('hello').token, 'token-2');
  });

  test('asks for the same id again after a reconnect', async () => {
    const socket = await session();
    await socket.drop();
    await tick(375);
    await FakeWebSocket.last.open();
    assert.equal(FakeWebSocket.last.lastOf('hello').peer, 'me');
  });

  test('an id that the server had chosen and that is taken is given up', async () => {
    const socket = await session();
    await socket.drop();
    await tick(375);
    await FakeWebSocket.last.open();
    await FakeWebSocket.last.say({ t: 'error', code: 'peer_taken', message: 'taken' });
    await FakeWebSocket.last.drop(4003);
    await tick(750);
    await FakeWebSocket.last.open();
    assert.equal(FakeWebSocket.last.lastOf('hello').peer, undefined);
  });

  test('an id that was asked for and is taken is the end', async () => {
    client = connect({ url, peer: 'ada' });
    const ready = client.ready();
    await FakeWebSocket.last.open();
    await FakeWebSocket.last.say({ t: 'error', code: 'peer_taken', message: 'taken' });
    const rejected = assert.rejects(ready, code('peer_taken'));
    await FakeWebSocket.last.drop(1000);
    await rejected;
    assert.equal(client.state, 'closed');
  });

  test('without a welcome the attempt is given up after 15 s', async () => {
    client = connect({ url });
    await FakeWebSocket.last.open();
    await tick(14_999);
    assert.equal(client.state, 'connecting');
    await tick(1);
    assert.equal(client.state, 'reconnecting');
    assert.ok(FakeWebSocket.last.closedWith);
  });
});

describe('requests', () => {
  test('answers find their request, in any order', async () => {
    const socket = await session();
    const one = client.list('one'), two = client.list('two');
    await settle();
    const [a, b] = socket.of('list');
    assert.notEqual(a.id, b.id);
    await socket.say({ t: 'list', id: b.id, room: 'two', peers: ['b'] });
    await socket.say({ t: 'list', id: a.id, room: 'one', peers: ['a'] });
    assert.deepEqual([await one, await two], [['a'], ['b']]);
  });

  test('an error answer rejects only its own request', async () => {
    const socket = await session();
    const bad = client.send('x', 'custom', 1), good = client.send('y', 'custom', 2);
    await settle();
    const [a, b] = socket.of('send');
    const rejected = assert.rejects(bad, (e) => code('rate_limited')(e) && e.retryAfter === 3 && e.message === 'slow down');
    await socket.say({ t: 'error', id: a.id, code: 'rate_limited', message: 'slow down', retryAfter: 3 });
    await socket.say({ t: 'ok', id: b.id, delivered: 1 });
    await rejected;
    assert.equal((await good).delivered, 1);
  });

  test('an error without id is an event', async () => {
    const socket = await session();
    const errors = record('error');
    await socket.say({ t: 'error', code: 'bad_json', message: 'what?' });
    assert.equal(errors[0].code, 'bad_json');
    assert.equal(client.state, 'open');
  });

  test('no answer within 10 s is a timeout, and a late one is ignored', async () => {
    const socket = await session();
    const asked = client.list('room');
    await settle();
    let outcome;
    asked.catch((e) => { outcome = e.code; });
    await tick(9_999);
    assert.equal(outcome, undefined);
    await tick(1);
    assert.equal(outcome, 'timeout');
    await socket.say({ t: 'list', id: socket.lastOf('list').id, room: 'room', peers: [] });
    assert.equal(client.state, 'open');
  });

  test('a lost connection rejects what is pending', async () => {
    const socket = await session();
    const rejected = assert.rejects(client.list('room'), code('disconnected'));
    await settle();
    await socket.drop();
    await rejected;
  });

  test('a request made while reconnecting waits for the new session', async () => {
    const socket = await session();
    await socket.drop();
    const sending = client.send('x', 'custom', 'hi', { room: 'r', queue: 500 });
    await tick(375);
    const next = FakeWebSocket.last;
    await next.open();
    assert.equal(next.of('send').length, 0);
    await next.welcome();
    const { id, ...rest } = next.lastOf('send');
    assert.deepEqual(rest, { t: 'send', room: 'r', to: 'x', kind: 'custom', data: 'hi', queue: 500 });
    await next.say({ t: 'ok', id, queued: 1 });
    assert.equal((await sending).queued, 1);
  });

  test('after close() everything is refused', async () => {
    const socket = await session();
    const rejected = assert.rejects(client.list('room'), code('closed'));
    await settle();
    client.close();
    await rejected;
    assert.equal(socket.sent.at(-1).t, 'bye');
    await assert.rejects(client.list('room'), code('closed'));
    await tick(60_000);
    assert.equal(FakeWebSocket.all.length, 1);
  });

  test('unknown types, broken and foreign frames are ignored', async () => {
    const socket = await session();
    for (const frame of ['{', 'null', '[]', '7', '"x"', '{}', '{"t":"brand-new","id":"1"}', '{"t":"peer-left","room":"none","peer":"x"}']) {
      await socket.say(frame);
    }
    assert.equal(client.state, 'open');
    const asked = client.list('room');
    await settle();
    await socket.say({ t: 'list', id: socket.lastOf('list').id, room: 'room', peers: [], 'some-new-field': 1 });
    assert.deepEqual(await asked, []);
  });
});

describe('reconnect', () => {
  test('backs off exponentially up to a limit', async () => {
    client = connect({ url, transport: 'websocket' });
    const delays = [];
    client.on('state', ({ delay }) => delay && delays.push(delay));
    const waits = [];
    for (let i = 0; i < 9; i++) {
      const before = FakeWebSocket.all.length;
      await FakeWebSocket.last.drop();
      let waited = 0;
      while (FakeWebSocket.all.length === before) {
        await tick(125);
        waited += 125;
        assert.ok(waited < 40_000);
      }
      waits.push(waited);
    }
    assert.deepEqual(waits, [375, 750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500]);
  });

  for (const [random, earliest] of [[0, 250], [1, 500]]) {
    test(`the jitter spreads clients (random ${random})`, async () => {
      uninstall();
      install({ random });
      const socket = await session();
      await socket.drop();
      await tick(earliest - 1);
      assert.equal(FakeWebSocket.all.length, 1);
      await tick(1);
      assert.equal(FakeWebSocket.all.length, 2);
    });
  }

  test('only an answered heartbeat resets the back-off', async () => {
    let socket = await session();
    await socket.drop();
    await tick(375);
    await FakeWebSocket.last.welcome();
    await FakeWebSocket.last.drop(); // a server that lets in and throws out at once
    await tick(749);
    assert.equal(FakeWebSocket.all.length, 2);
    await tick(1);
    socket = FakeWebSocket.last;
    await socket.welcome();
    await tick(20_000);
    await socket.say({ t: 'pong', id: socket.lastOf('ping').id });
    await socket.drop();
    await tick(375);
    assert.equal(FakeWebSocket.all.length, 4);
  });

  for (const closeCode of [4001, 4003, 4009]) {
    test(`close code ${closeCode} is final`, async () => {
      const socket = await session();
      const states = record('state');
      await socket.drop(closeCode);
      assert.equal(client.state, 'closed');
      assert.equal(states[0].error.code, { 4001: 'unauthorized', 4003: 'forbidden', 4009: 'superseded' }[closeCode]);
      await tick(120_000);
      assert.equal(FakeWebSocket.all.length, 1);
    });
  }

  for (const closeCode of [1001, 1006, 1012, 4008, 4029]) {
    test(`close code ${closeCode} is not`, async () => {
      const socket = await session();
      await socket.drop(closeCode);
      assert.equal(client.state, 'reconnecting');
      await tick(375);
      assert.equal(FakeWebSocket.all.length, 2);
    });
  }

  test('kicked is final', async () => {
    const socket = await session();
    const kicked = record('kicked');
    await socket.say({ t: 'kicked', code: 'forbidden', reason: 'by an admin' });
    await socket.drop(1000);
    await tick(60_000);
    assert.equal(kicked[0].reason, 'by an admin');
    assert.equal(client.state, 'closed');
    assert.equal(FakeWebSocket.all.length, 1);
  });

  test('goaway: the next attempt waits for retryAfter', async () => {
    const socket = await session();
    await socket.say({ t: 'goaway', retryAfter: 8 });
    await socket.drop(1012);
    await tick(8_999); // 8 s and the spread of 1/4 × 0.5
    assert.equal(FakeWebSocket.all.length, 1);
    await tick(1);
    assert.equal(FakeWebSocket.all.length, 2);
  });

  test('goaway: a server that does not close is left when the time has come', async () => {
    const socket = await session();
    await socket.say({ t: 'goaway', retryAfter: 8 });
    await tick(8_999);
    assert.equal(client.state, 'open');
    await tick(1);
    assert.ok(socket.closedWith);
    await tick(375);
    assert.equal(FakeWebSocket.all.length, 2);
  });

  test('a refused hello with retryAfter is honoured', async () => {
    client = connect({ url });
    await FakeWebSocket.last.open();
    await FakeWebSocket.last.say({ t: 'error', code: 'rate_limited', message: 'later', retryAfter: 4 });
    await FakeWebSocket.last.drop(4029);
    await tick(4_499);
    assert.equal(FakeWebSocket.all.length, 1);
    await tick(1);
    assert.equal(FakeWebSocket.all.length, 2);
  });

  test('frames of a socket that was given up are ignored', async () => {
    const socket = await session();
    await tick(20_000);
    await tick(10_000); // ping without pong
    assert.equal(client.state, 'reconnecting');
    const messages = record('msg');
    await socket.say({ t: 'msg', from: 'x', kind: 'custom', data: 1 });
    await socket.drop(4001);
    assert.equal(messages.length, 0);
    assert.equal(client.state, 'reconnecting');
  });

  test('an online event ends the waiting at once', async () => {
    const handlers = {};
    globalThis.addEventListener = (type, handler) => { handlers[type] = handler; };
    try {
      const socket = await session();
      await socket.drop();
      handlers.online();
      assert.equal(FakeWebSocket.all.length, 2);
      await tick(5_000);
      assert.equal(FakeWebSocket.all.length, 2, 'the timer of the back-off is gone');
    } finally {
      delete globalThis.addEventListener;
    }
  });
});

describe('heartbeat', () => {
  test('pings at the interval of the welcome', async () => {
    const socket = await session();
    await tick(19_999);
    assert.equal(socket.of('ping').length, 0);
    await tick(1);
    assert.equal(socket.of('ping').length, 1);
    await socket.say({ t: 'pong', id: socket.lastOf('ping').id });
    await tick(20_000);
    assert.equal(socket.of('ping').length, 2);
    assert.equal(client.state, 'open');
  });

  test('a missing pong means that the connection is dead', async () => {
    const socket = await session();
    await tick(20_000);
    await tick(9_999);
    assert.equal(client.state, 'open');
    await tick(1);
    assert.equal(client.state, 'reconnecting');
    assert.ok(socket.closedWith);
  });
});

describe('rooms', () => {
  const bob = { peer: 'bob', meta: { name: 'Bob' }, polite: false };

  test('the list of peers follows joins, updates and leaves', async () => {
    const socket = await session();
    assert.deepEqual(await joinRoom(socket, 'r', [bob]), [bob]);
    await socket.say({ t: 'peer-joined', room: 'r', peer: 'eve', meta: 1, polite: true });
    await socket.say({ t: 'peer-updated', room: 'r', peer: 'eve', meta: 2 });
    assert.deepEqual(client.rooms.get('r').get('eve'), { peer: 'eve', meta: 2, polite: true });
    assert.equal(client.isPolite('eve', 'r'), true);
    assert.equal(client.isPolite('bob', 'r'), false);
    await socket.say({ t: 'peer-left', room: 'r', peer: 'bob', reason: 'left' });
    assert.deepEqual([...client.rooms.get('r').keys()], ['eve']);
  });

  test('are joined again with the last meta, and changes are told', async () => {
    const socket = await session();
    await joinRoom(socket, 'r', [bob], { name: 'old' });
    const updating = client.update({ name: 'new' }, 'r');
    await settle();
    await socket.say({ t: 'ok', id: socket.lastOf('update').id });
    await updating;
    const joined = record('joined'), left = record('peer-left'), came = record('peer-joined');
    await socket.drop();
    await tick(375);
    const next = FakeWebSocket.last;
    await next.welcome();
    assert.equal(client.state, 'reconnecting', 'not open before the rooms are back');
    const { id, ...join } = next.lastOf('join');
    assert.deepEqual(join, { t: 'join', room: 'r', meta: { name: 'new' } });
    await next.say({ t: 'joined', id, room: 'r', peers: [{ peer: 'eve', polite: false }] });
    assert.equal(client.state, 'open');
    assert.equal(joined[0].rejoined, true);
    assert.deepEqual(left.map((e) => e.peer), ['bob']);
    assert.deepEqual(came.map((e) => e.peer), ['eve']);
  });

  test('that were left or refused are not', async () => {
    const socket = await session();
    await joinRoom(socket, 'a');
    const leaving = client.leave('a');
    await settle();
    await socket.say({ t: 'ok', id: socket.lastOf('leave').id });
    await leaving;
    const refused = assert.rejects(client.join('b'), code('room_full'));
    await settle();
    await socket.say({ t: 'error', id: socket.lastOf('join').id, code: 'room_full', message: 'full' });
    await refused;
    await socket.drop();
    await tick(375);
    await FakeWebSocket.last.welcome();
    assert.equal(FakeWebSocket.last.of('join').length, 0);
    assert.equal(client.state, 'open');
  });

  test('rate limited after a reconnect: tried again after retryAfter', async () => {
    const socket = await session();
    await joinRoom(socket, 'r');
    await socket.drop();
    await tick(375);
    const next = FakeWebSocket.last;
    await next.welcome();
    await next.say({ t: 'error', id: next.lastOf('join').id, code: 'rate_limited', retryAfter: 2 });
    await tick(1_999);
    assert.equal(next.of('join').length, 1);
    await tick(1);
    assert.equal(next.of('join').length, 2);
    await next.say({ t: 'joined', id: next.lastOf('join').id, room: 'r', peers: [] });
    assert.equal(client.state, 'open');
  });

  test('locked meanwhile: given up with an event', async () => {
    const socket = await session();
    await joinRoom(socket, 'r');
    const left = record('left');
    await socket.drop();
    await tick(375);
    await FakeWebSocket.last.welcome();
    await FakeWebSocket.last.say({ t: 'error', id: FakeWebSocket.last.lastOf('join').id, code: 'room_locked', message: 'locked' });
    assert.equal(left[0].error.code, 'room_locked');
    assert.equal(client.rooms.has('r'), false);
    assert.equal(client.state, 'open');
  });
});

describe('ICE servers', () => {
  const fresh = [{ urls: 'turn:two', username: 'u', credential: 'c' }];

  test('a pushed renewal reaches live connections and new ones', async () => {
    const socket = await session({ rtcConfig: { bundlePolicy: 'max-bundle' } });
    assert.deepEqual(client.iceServers, [{ urls: 'stun:one' }]);
    await joinRoom(socket, 'r', [{ peer: 'bob', polite: false }, { peer: 'eve', polite: false }]);
    client.call('bob');
    await socket.say({ t: 'ice', servers: fresh, ttl: 600 });
    assert.deepEqual(client.iceServers, fresh);
    assert.deepEqual(FakePeerConnection.all[0].configuration, { bundlePolicy: 'max-bundle', iceServers: fresh });
    client.call('eve');
    assert.deepEqual(FakePeerConnection.all[1].configuration.iceServers, fresh);
    assert.equal(FakePeerConnection.all[0].restarts, 0, 'a renewal must not disturb the call');
  });

  test('are asked for at 85 % of their life when nothing was pushed', async () => {
    const socket = await session({}, { heartbeat: 100_000, ice: { servers: [], ttl: 1000 } });
    await tick(600_000);
    await socket.say({ t: 'ice', servers: fresh, ttl: 1000 }); // pushed: counts from here
    await tick(849_999);
    assert.equal(socket.of('ice').length, 0);
    await tick(1);
    assert.equal(socket.of('ice').length, 1);
    await socket.say({ t: 'ice', id: socket.lastOf('ice').id, servers: [{ urls: 'turn:three' }], ttl: 1000 });
    assert.deepEqual(client.iceServers, [{ urls: 'turn:three' }]);
  });

  test('ice() resolves to the servers', async () => {
    const socket = await session();
    const asked = client.ice();
    await settle();
    await socket.say({ t: 'ice', id: socket.lastOf('ice').id, servers: fresh, ttl: 60 });
    assert.deepEqual(await asked, fresh);
  });
});

test('a listener can be removed', async () => {
  const socket = await session();
  const handler = mock.fn();
  const off = client.on('expired', handler);
  await socket.say({ t: 'expired', to: 'x' });
  off();
  await socket.say({ t: 'expired', to: 'x' });
  assert.equal(handler.mock.callCount(), 1);
});
