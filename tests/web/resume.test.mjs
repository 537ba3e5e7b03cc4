// SPDX-License-Identifier: Apache-2.0
// The client over lost connections: resume, what was missed, what was asked, and diagnose().
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { FakePeerConnection, FakeWebSocket, SignalError, connect, install, settle, tick, uninstall } from './fakes.mjs';

const url = 'wss://example.test/v1/ws';
const resumable = { features: ['resume'], sid: 's1', key: 'k1' };
let client;

async function session() {
  client = connect({ url, token: 't' });
  await FakeWebSocket.last.welcome(resumable);
  return FakeWebSocket.last;
}

async function joinRoom(socket, room, extra = {}) {
  const joining = client.join(room);
  await settle();
  await socket.say({ t: 'joined', id: socket.lastOf('join').id, room, peers: [], ...extra });
  return joining;
}

/** Loses the connection, and comes back with this welcome. */
async function comeBack(socket, extra) {
  await socket.drop();
  await tick(375);
  if (FakeWebSocket.last === socket) await tick(375); // the back-off of a second time
  const next = FakeWebSocket.last;
  assert.notEqual(next, socket);
  await next.welcome({ ...resumable, ...extra });
  return next;
}

async function pong(socket) {
  await socket.say({ t: 'pong', id: socket.lastOf('ping').id });
}

beforeEach(() => install());
afterEach(() => {
  client?.close();
  uninstall();
});

describe('resume', () => {
  test('the hello names the session and the last message seen', async () => {
    const socket = await session();
    await joinRoom(socket, 'r', { seq: 1 });
    await socket.say({ t: 'msg', room: 'r', from: 'bob', kind: 'custom', data: 1, seq: 2 });
    assert.equal(socket.sent[0].resume, undefined);
    const next = await comeBack(socket, { resumed: true });
    assert.deepEqual(next.sent[0].resume, { sid: 's1', key: 'k1', seq: 2 });
    assert.equal(client.state, 'reconnecting', 'what was missed comes first');
    await pong(next);
    assert.equal(client.state, 'open');
    assert.equal(next.of('join').length, 0, 'the room was never left');
    assert.deepEqual([...client.rooms.keys()], ['r']);
  });

  test('a room that was left while the connection was away is left with the resume', async () => {
    const socket = await session();
    await joinRoom(socket, 'r');
    await socket.drop();
    await client.leave('r');
    await tick(375);
    const next = FakeWebSocket.last;
    await next.welcome({ ...resumable, resumed: true });
    await pong(next);
    assert.deepEqual(next.of('leave').map((m) => m.room), ['r']);
    assert.deepEqual([...client.rooms.keys()], []);
  });

  test('a join that was reported as failed is not made by the next session', async () => {
    const socket = await session();
    const joining = client.join('r');
    await settle();
    const next = await comeBack(socket, { resumed: false, reason: 'unknown', sid: 's2' });
    await assert.rejects(joining, (e) => e.code === 'disconnected');
    await settle();
    assert.equal(next.of('join').length, 0);
    assert.equal(client.state, 'open');
  });

  test('links get the TURN servers of the room in a new session', async () => {
    const ice = (name) => ({ ice: { servers: [{ urls: ['turn:t'], username: name, credential: 'c' }], ttl: 60 } });
    const socket = await session();
    await joinRoom(socket, 'r', { peers: [{ peer: 'bob', polite: true }], ...ice('old') });
    const link = client.call('bob', 'r');
    const next = await comeBack(socket, { resumed: false, reason: 'gap', sid: 's2', peer: client.peer });
    await settle();
    await next.say({ t: 'joined', id: next.lastOf('join').id, room: 'r', peers: [{ peer: 'bob', polite: true }], ...ice('new') });
    await settle();
    assert.equal(client.rtcConfigOf('r').iceServers.at(-1).username, 'new');
    assert.equal(link.pc.configuration?.iceServers.at(-1).username, 'new');
  });

  test('a message that comes again is ignored', async () => {
    const socket = await session();
    const seen = [];
    client.on('msg', (m) => seen.push(m.data));
    for (const seq of [1, 2, 2, 1, 3]) await socket.say({ t: 'msg', from: 'bob', kind: 'custom', data: seq, seq });
    const next = await comeBack(socket, { resumed: true });
    for (const seq of [3, 4]) await next.say({ t: 'msg', from: 'bob', kind: 'custom', data: seq, seq });
    assert.deepEqual(seen, [1, 2, 3, 4]);
  });

  test('a request whose answer was lost gets it; one that never arrived is made again', async () => {
    const socket = await session();
    const answered = client.list('a'), lost = client.list('b');
    await settle();
    const [a, b] = socket.of('list');
    const next = await comeBack(socket, { resumed: true });
    await next.say({ t: 'list', id: a.id, room: 'a', peers: ['x'], seq: 1 });
    assert.deepEqual(await answered, ['x']);
    assert.equal(next.of('list').length, 0);
    await pong(next);
    assert.deepEqual(next.of('list'), [{ t: 'list', room: 'b', id: b.id }]);
    await next.say({ t: 'list', id: b.id, room: 'b', peers: ['y'], seq: 2 });
    assert.deepEqual(await lost, ['y']);
  });

  test('a new session instead: rooms are joined again, and old requests fail', async () => {
    const socket = await session();
    await joinRoom(socket, 'r', { seq: 1 });
    const rejected = assert.rejects(client.list('r'), (e) => e instanceof SignalError && e.code === 'disconnected');
    await settle();
    const next = await comeBack(socket, { resumed: false, reason: 'unknown', sid: 's2', key: 'k2' });
    await rejected;
    await next.say({ t: 'joined', id: next.lastOf('join').id, room: 'r', peers: [], seq: 1 });
    assert.equal(client.state, 'open');
    const third = await comeBack(next, { resumed: true });
    assert.deepEqual(third.sent[0].resume, { sid: 's2', key: 'k2', seq: 1 });
  });

  test('a room whose join was cut off is joined with the resume', async () => {
    const socket = await session();
    const joining = client.join('r');
    await settle();
    const next = await comeBack(socket, { resumed: true });
    await pong(next);
    await next.say({ t: 'joined', id: next.of('join')[0].id, room: 'r', peers: [], seq: 1 });
    assert.deepEqual(await joining, []);
  });

  test('messages are acknowledged now and then', async () => {
    const socket = await session();
    for (let seq = 1; seq <= 15; seq++) await socket.say({ t: 'expired', to: 'x', seq });
    assert.equal(socket.of('ack').length, 0);
    await socket.say({ t: 'expired', to: 'x', seq: 16 });
    assert.equal(socket.lastOf('ack').seq, 16);
    await socket.say({ t: 'expired', to: 'x', seq: 17 });
    await tick(20_000);
    assert.equal(socket.lastOf('ack').seq, 17, 'with the heartbeat');
    await pong(socket);
    await tick(20_000);
    assert.equal(socket.of('ack').length, 2, 'nothing new');
  });

  test('giving a connection up is no leaving', async () => {
    const socket = await session();
    await tick(20_000); // a ping that nobody answers
    await tick(10_000);
    assert.equal(client.state, 'reconnecting');
    assert.equal(socket.closedWith, 4000);
  });

  test('a page that wakes up looks at once', async () => {
    const listeners = {};
    globalThis.document = { visibilityState: 'visible', addEventListener: (t, f) => { listeners[t] = f; }, removeEventListener() {} };
    try {
      const socket = await session();
      listeners.visibilitychange();
      assert.equal(socket.of('ping').length, 1);
      await socket.drop();
      listeners.visibilitychange();
      assert.equal(FakeWebSocket.all.length, 2, 'without waiting for the back-off');
    } finally {
      delete globalThis.document;
    }
  });

  test('a signal made while reconnecting goes out with the resume', async () => {
    const socket = await session();
    await joinRoom(socket, 'r', { seq: 1, peers: [{ peer: 'bob', meta: null, polite: true }] });
    await socket.drop();
    client.call('bob', 'r').channel('x');
    await settle(200);
    await tick(375);
    const next = FakeWebSocket.last;
    await next.welcome({ ...resumable, resumed: true });
    assert.equal(next.of('send').length, 0);
    await pong(next);
    assert.equal(next.of('send')[0].kind, 'offer');
  });
});

describe('rooms', () => {
  test('a room has its own TURN credentials', async () => {
    const socket = await session();
    await socket.say({ t: 'ice', servers: [{ urls: ['stun:s'] }, { urls: ['turn:t'], username: 'all', credential: 'c' }], ttl: 100 });
    await joinRoom(socket, 'r', { ice: { servers: [{ urls: ['turn:t'], username: 'r1', credential: 'c' }], ttl: 100 } });
    const link = client.call('bob', 'r');
    const users = (pc) => pc.configuration.iceServers.map((s) => s.username);
    assert.deepEqual(users(link.pc), [undefined, 'r1']);
    await socket.say({ t: 'ice', room: 'r', servers: [{ urls: ['turn:t'], username: 'r2', credential: 'c' }], ttl: 100 });
    assert.deepEqual(users(link.pc), [undefined, 'r2']);
    const other = client.call('bob', 'elsewhere');
    assert.deepEqual(users(other.pc), [undefined, 'all']);
  });

  test('options and kicks', async () => {
    const socket = await session();
    const joining = client.join('r', undefined, { size: 2 });
    await settle();
    assert.deepEqual(socket.lastOf('join').options, { size: 2 });
    await socket.say({ t: 'joined', id: socket.lastOf('join').id, room: 'r', peers: [] });
    await joining;
    client.configureRoom('r', { locked: true }).catch(() => {});
    client.kick('r', 'bob', 'why').catch(() => {});
    client.ban('r', 'eve', 60).catch(() => {});
    await settle();
    const { id, ...room } = socket.lastOf('room');
    assert.deepEqual(room, { t: 'room', room: 'r', locked: true });
    assert.equal(socket.lastOf('kick').peer, 'bob');
    assert.equal(socket.lastOf('ban').seconds, 60);
    const kicked = [];
    client.on('kicked', (m) => kicked.push(m.room));
    await socket.say({ t: 'kicked', room: 'r', code: 'forbidden', reason: 'why' });
    assert.deepEqual(kicked, ['r']);
    assert.equal(client.state, 'open');
    assert.equal(client.rooms.has('r'), false);
    const next = await comeBack(socket, { resumed: false, sid: 's2', key: 'k2' });
    assert.equal(next.of('join').length, 0, 'nobody goes back where it was thrown out');
  });
});

describe('diagnose', () => {
  test('tells in words what goes on', async () => {
    const socket = await session();
    await joinRoom(socket, 'r', { seq: 1, peers: [{ peer: 'bob', meta: null, polite: true }] });
    const link = client.call('bob', 'r');
    const pc = FakePeerConnection.all.at(-1);
    pc.onicecandidateerror({ url: 'turn:t', errorCode: 401, errorText: 'Unauthorized' });
    pc.setIce('checking');
    pc.stats = new Map([
      ['l', { id: 'l', type: 'local-candidate', candidateType: 'host', protocol: 'udp', address: '10.0.0.1', port: 5 }],
    ]);
    let report = await client.diagnose();
    assert.match(report, /wss:\/\/example\.test\/v1\/ws: open as me/);
    assert.match(report, /no TURN server/);
    assert.match(report, /room r: bob/);
    assert.match(report, /turn:t failed: 401 Unauthorized credential expired\?/);
    assert.match(report, /^ {2}\d\d:\d\d:\d\d\.\d{3} signalling open/m, 'state changes have their times');
    assert.match(report, /ICE checking/);
    assert.match(report, /candidates here: 1 host\/udp; there: none/);
    assert.match(report, /the peer has sent no candidate/);
    pc.stats.set('r', { id: 'r', type: 'remote-candidate', candidateType: 'relay', protocol: 'udp', address: '10.0.0.2', port: 6 });
    assert.match(await client.diagnose(), /no relay candidate here/);
    pc.stats.set('p', { id: 'p', type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'l', remoteCandidateId: 'r', currentRoundTripTime: 0.02 });
    report = await client.diagnose();
    assert.match(report, /path: relay over udp, host 10\.0\.0\.1:5 to relay 10\.0\.0\.2:6, 20 ms/);
    for (let i = 0; i < 200; i++) pc.setIce('checking');
    assert.ok((await link.diagnose()).length < 60, 'bounded');
  });
});
