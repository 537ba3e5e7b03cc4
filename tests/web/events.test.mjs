// SPDX-License-Identifier: Apache-2.0
// Where WebSockets do not get through: when the client takes to events and POSTs, and how it speaks by them.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { FakeWebSocket, connect, install, tick, uninstall } from './fakes.mjs';

// As it is loaded on demand: later on, that takes no time.
await import(new URL('../../src/web/client/events.js', import.meta.url));
const realFetch = globalThis.fetch;
let client;
let number = 0;
let url; // another one for each test: what worked is remembered for as long as the page lives
let server;

/** Streams take turns of the event loop, which mocked timers do not stop. */
async function turns(count = 30) {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

async function later(ms) {
  await tick(ms);
  await turns();
}

/** What answers fetch(): each GET is a stream, each POST is kept. */
class EventServer {
  streams = [];
  posts = [];
  /** Of a POST: a status, or an error to be thrown. */
  answer = () => 204;
  /** Of a GET: false is a network that lets nothing through. */
  open = true;

  async fetch(target, { method = 'GET', body, signal }) {
    const at = new URL(target);
    if (method === 'POST') {
      const post = { at, body, lines: body ? body.split('\n').map((line) => JSON.parse(line)) : [] };
      this.posts.push(post);
      const status = await this.answer(post);
      if (status instanceof Error) throw status;
      return { ok: status < 300, status };
    }
    if (!this.open) throw new TypeError('Failed to fetch');
    const stream = { at, signal, encoder: new TextEncoder() };
    stream.body = new ReadableStream({ start: (controller) => { stream.controller = controller; } });
    signal.addEventListener('abort', () => stream.controller.error(signal.reason));
    this.streams.push(stream);
    this.write(`event: connection\ndata: {"c":"id${this.streams.length}","keepAliveMs":15000}\n\n`, stream);
    return { ok: true, status: 200, body: stream.body };
  }

  get last() { return this.streams.at(-1); }

  write(text, stream = this.last) { stream.controller.enqueue(stream.encoder.encode(text)); }

  async say(message) {
    this.write(`data: ${JSON.stringify(message)}\n\n`);
    await turns();
  }

  async end(code, reason = '') {
    if (code) this.write(`event: close\ndata: ${JSON.stringify({ code, reason })}\n\n`);
    this.last.controller.close();
    await turns();
  }

  async welcome(extra = {}) {
    await turns();
    await this.say({ t: 'welcome', v: 1, sid: 's1', key: 'k1', peer: 'me', features: ['resume'], limits: {}, heartbeat: 20,
      ice: { servers: [], ttl: 0 }, ...extra });
  }

  of(type) { return this.posts.flatMap((post) => post.lines).filter((m) => m.t === type); }
}

async function session(options = {}) {
  client = connect({ url, transport: 'events', token: 'secret', ...options });
  await turns();
  await server.welcome();
  assert.equal(client.state, 'open');
}

beforeEach(() => {
  install();
  url = `wss://example.test/${++number}/ws`;
  server = new EventServer();
  globalThis.fetch = (...args) => server.fetch(...args);
});
afterEach(async () => {
  client?.close();
  await turns();
  uninstall();
  globalThis.fetch = realFetch;
});

describe('a session by events', () => {
  test('begins with a hello by POST, and the token is in no URL', async () => {
    await session();
    assert.equal(FakeWebSocket.all.length, 0);
    assert.equal(server.last.at.href, `https://example.test/${number}/events`);
    const [{ at, lines }] = server.posts;
    assert.equal(at.searchParams.get('c'), 'id1');
    assert.equal(lines[0].t, 'hello');
    assert.equal(lines[0].token, 'secret');
    for (const post of server.posts) assert.ok(!post.at.href.includes('secret'));
  });

  test('hands messages on whose text came in pieces, in several lines or with odd characters', async () => {
    await session();
    const heard = [];
    client.on('msg', ({ data }) => heard.push(data));
    const bytes = server.last.encoder.encode('data: {"t":"msg","from":"b","kind":"custom",\ndata: "data":"é\u2028x"}\n\n');
    for (const byte of bytes) server.last.controller.enqueue(Uint8Array.of(byte));
    await turns(200);
    assert.deepEqual(heard, ['é\u2028x']);
  });

  test('posts one after the other, with what gathers meanwhile in one', async () => {
    await session();
    let go;
    server.answer = () => new Promise((resolve) => { go = () => resolve(204); });
    const before = server.posts.length;
    for (let i = 0; i < 5; i++) {
      client.send('bob', 'custom', i).catch(() => {});
      await turns(3);
    }
    assert.equal(server.posts.length, before + 1);
    go();
    await turns();
    go();
    await turns();
    assert.equal(server.posts.length, before + 2);
    assert.deepEqual(server.of('send').map((m) => m.data), [0, 1, 2, 3, 4]);
    const numbers = server.posts.map((post) => Number(post.at.searchParams.get('n')));
    assert.deepEqual(numbers, numbers.map((_, i) => i + 1), 'the server can tell a repetition');
  });

  test('a POST that the network has lost is sent again, as the same', async () => {
    await session();
    let failures = 1;
    server.answer = () => (failures-- > 0 ? new TypeError('Failed to fetch') : 204);
    client.send('bob', 'custom', 1).catch(() => {});
    await turns();
    await later(1_000);
    const [first, second] = server.posts.slice(-2);
    assert.equal(first.at.href, second.at.href);
    assert.equal(first.body, second.body);
    assert.equal(client.state, 'open');
  });

  test('what is too large is refused alone', async () => {
    await session();
    server.answer = () => 413;
    await assert.rejects(client.send('bob', 'custom', 'x'.repeat(100_000)), (e) => e.code === 'too_large');
    server.answer = () => 204;
    client.send('bob', 'custom', 1).catch(() => {});
    await turns();
    const [one, other] = server.posts.slice(-2).map((post) => post.at.searchParams.get('n'));
    assert.equal(one, other, 'the refused one was not counted');
    assert.equal(client.state, 'open');
  });

  test('comments are answered while nothing else is sent', async () => {
    await session();
    const before = server.posts.length;
    server.write(':\n\n');
    await turns();
    assert.equal(server.posts.length, before, 'something was sent since the one before');
    server.write(':\n\n');
    await turns();
    assert.equal(server.posts.length, before + 1);
    assert.equal(server.posts.at(-1).body, '');
  });

  test('a connection that is lost is resumed by another one, never by two', async () => {
    await session();
    await server.say({ t: 'joined', room: 'r', peers: [], seq: 1 });
    await server.end();
    assert.equal(client.state, 'reconnecting');
    await later(375);
    assert.equal(server.streams.length, 2);
    assert.deepEqual(server.of('hello').at(-1).resume, { sid: 's1', key: 'k1', seq: 1 });
    assert.equal(server.posts.at(-1).at.searchParams.get('c'), 'id2');
    await later(5_000);
    assert.equal(server.streams.length, 2);
  });

  test('a POST for a stream that is gone ends it, unless the stream tells why first', async () => {
    await session();
    server.answer = () => 404;
    client.send('bob', 'custom', 1).catch(() => {});
    await turns();
    await server.end(4003, 'forbidden');
    assert.equal(client.state, 'closed');
    url += 'x';
    server.answer = () => 204;
    await session();
    server.answer = () => 404;
    client.send('bob', 'custom', 1).catch(() => {});
    await turns();
    assert.equal(client.state, 'open');
    await later(1_000);
    assert.equal(client.state, 'reconnecting');
  });

  test('the codes of the end mean what they mean for WebSockets', async () => {
    await session();
    await server.say({ t: 'goaway', retryAfter: 4 });
    await server.end(1012, 'restart');
    assert.equal(client.state, 'reconnecting');
    await later(3_999);
    assert.equal(server.streams.length, 1, 'not before the time that the server has told');
    await later(1_100);
    assert.equal(server.streams.length, 2);
  });

  test('close() says bye before it goes', async () => {
    await session();
    client.close();
    await turns();
    assert.equal(server.of('bye').length, 1);
    assert.ok(server.last.signal.aborted);
    await later(60_000);
    assert.equal(server.streams.length, 1);
  });
});

describe('the fallback', () => {
  async function fall() {
    client = connect({ url });
    await FakeWebSocket.last.drop();
    await later(375);
    await FakeWebSocket.last.drop();
    await later(750);
  }

  test('two WebSockets that die before the welcome', async () => {
    await fall();
    assert.equal(FakeWebSocket.all.length, 2);
    assert.equal(server.streams.length, 1);
    await server.welcome();
    assert.equal(client.state, 'open');
    assert.match(await client.diagnose(), /events and POSTs/);
  });

  test('one that does not open within six seconds', async () => {
    client = connect({ url });
    await later(5_999);
    assert.equal(client.state, 'connecting');
    await later(1);
    await later(750);
    assert.equal(FakeWebSocket.all.length, 1);
    assert.equal(server.streams.length, 1);
  });

  test('is remembered for as long as the page lives', async () => {
    await fall();
    await server.welcome();
    client.close();
    await turns();
    const sockets = FakeWebSocket.all.length;
    client = connect({ url });
    await turns();
    assert.equal(FakeWebSocket.all.length, sockets);
    assert.equal(server.streams.length, 2);
  });

  test('where nothing gets through, WebSockets are tried again', async () => {
    server.open = false;
    await fall();
    assert.equal(server.streams.length, 0);
    await later(1_500);
    assert.equal(FakeWebSocket.all.length, 3);
    await FakeWebSocket.last.welcome();
    assert.equal(client.state, 'open');
  });

  test('a server that refuses or has let in before does not make for it', async () => {
    client = connect({ url });
    await FakeWebSocket.last.welcome();
    await FakeWebSocket.last.drop();
    for (const wait of [375, 750, 1_500]) {
      await later(wait);
      await FakeWebSocket.last.drop(); // a restart takes its time
    }
    assert.equal(server.streams.length, 0);
    client.close();
    url += 'x';
    client = connect({ url });
    for (const wait of [375, 750, 1_500]) {
      await FakeWebSocket.last.drop(1012); // a word of the server's
      await later(wait);
    }
    assert.equal(server.streams.length, 0);
  });

  test('does not happen when it is not wanted', async () => {
    client = connect({ url, transport: 'websocket' });
    for (const wait of [375, 750, 1_500, 3_000, 6_000]) {
      await FakeWebSocket.last.drop();
      await later(wait);
    }
    assert.equal(FakeWebSocket.all.length, 6);
    assert.equal(server.streams.length, 0);
  });
});
