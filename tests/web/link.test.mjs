// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { FakePeerConnection, FakeWebSocket, connect, install, settle, tick, uninstall } from './fakes.mjs';

const url = 'wss://example.test/v1/ws';
let hub;
let clients;

/** A server with one room, which can hold messages back to deliver them in another order. */
class Hub {
  members = new Map(); // peer → socket, in the order of joining
  held; // messages, while they are held back
  refuse; // a function that may return an error for a `send`

  attach(socket, peer) {
    socket.onsend = (m) => queueMicrotask(() => this.#handle(socket, peer, m));
  }

  #handle(socket, peer, m) {
    const { id, room } = m;
    if (m.t === 'hello') {
      this.#tell(socket, { t: 'welcome', v: 1, sid: 's', key: 'k', peer, heartbeat: 100_000, ice: { servers: [], ttl: 0 } });
    } else if (m.t === 'join') {
      this.#tell(socket, { t: 'joined', id, room, peers: [...this.members.keys()].map((p) => ({ peer: p, polite: false })) });
      for (const other of this.members.values()) this.#tell(other, { t: 'peer-joined', room, peer, polite: true });
      this.members.set(peer, socket);
    } else if (m.t === 'send') {
      const refusal = this.refuse?.(m);
      this.#tell(socket, refusal ? { t: 'error', id, ...refusal } : { t: 'ok', id, delivered: 1 });
      const message = { to: m.to, frame: { t: 'msg', room, from: peer, kind: m.kind, data: m.data } };
      if (refusal) return;
      if (this.held) this.held.push(message);
      else this.deliver(message);
    } else {
      this.#tell(socket, { t: 'ok', id });
    }
  }

  deliver({ to, frame }) {
    const socket = this.members.get(to);
    if (socket) this.#tell(socket, frame);
  }

  /** Lets the held messages go, in the order that `arrange` gives them. */
  release(arrange = (list) => list) {
    const list = arrange(this.held);
    this.held = undefined;
    for (const message of list) this.deliver(message);
  }

  leave(peer, reason) {
    this.members.delete(peer);
    for (const other of this.members.values()) this.#tell(other, { t: 'peer-left', room: 'r', peer, reason });
  }

  #tell(socket, frame) {
    if (socket.readyState === 1) socket.onmessage({ data: JSON.stringify(frame) });
  }
}

async function enter(peer, options = {}) {
  const client = connect({ url, ...options });
  clients.push(client);
  hub.attach(FakeWebSocket.last, peer);
  client.socket = FakeWebSocket.last;
  await FakeWebSocket.last.open();
  await client.join('r');
  return client;
}

/** Two clients in the room: the first one is polite, the newcomer is not. */
async function pair(options) {
  return [await enter('ada', options), await enter('bob', options)];
}

const link = (client) => client.links[0];

async function connected() {
  const [ada, bob] = await pair();
  bob.call('ada').channel('chat', { id: 1 });
  await settle(200);
  for (const client of [ada, bob]) link(client).pc.setIce('connected');
  return [ada, bob];
}

function assertAgreed(a, b) {
  for (const l of [a, b]) assert.equal(l.pc.signalingState, 'stable');
  assert.equal(a.pc.localDescription.sdp, b.pc.remoteDescription.sdp);
  assert.equal(b.pc.localDescription.sdp, a.pc.remoteDescription.sdp);
  for (const [mine, other] of [[a, b], [b, a]]) {
    const ufrags = mine.pc.added.filter(Boolean).map((c) => c.usernameFragment);
    assert.ok(ufrags.includes(other.pc.localDescription.sdp), 'the candidates of the current description have arrived');
    assert.ok(mine.pc.added.includes(null), 'the end of candidates has arrived');
  }
}

beforeEach(() => {
  install();
  hub = new Hub();
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.close();
  uninstall();
});

describe('negotiation', () => {
  test('an offer makes the link on the other side, and both agree', async () => {
    const [ada, bob] = await pair();
    const seen = [];
    ada.on('link', (l) => { seen.push(l); l.channel('chat', { id: 1 }); });
    bob.call('ada').channel('chat', { id: 1 });
    await settle(200);
    assert.deepEqual(seen, ada.links);
    assertAgreed(link(ada), link(bob));
    assert.equal(link(ada).polite, true);
    assert.equal(link(bob).polite, false);
    assert.equal(link(ada).remoteId, link(bob).id);
    assert.equal(link(bob).remoteId, link(ada).id);
    assert.equal(bob.call('ada', 'r'), link(bob), 'one link for each peer');
  });

  test('glare: the polite side gives way and makes its offer again', async () => {
    const [ada, bob] = await pair();
    const errors = [];
    for (const [client, other] of [[ada, 'bob'], [bob, 'ada']]) {
      const l = client.call(other);
      l.on('error', (e) => errors.push(e));
      l.channel('chat');
    }
    hub.held = [];
    await settle();
    const offers = hub.held.filter((m) => m.frame.kind === 'offer');
    assert.deepEqual(offers.map((m) => m.to).sort(), ['ada', 'bob'], 'both have offered');
    hub.release();
    await settle(300);
    assertAgreed(link(ada), link(bob));
    assert.equal(link(ada).pc.rollbacks, 1);
    assert.equal(link(bob).pc.rollbacks, 0);
    assert.equal(link(ada).pc.signalingState, 'stable');
    assert.deepEqual(errors, []);
  });

  test('glare where the first offer cannot be rolled back: a fresh link takes over', async () => {
    FakePeerConnection.rollbackBreaks = true;
    const [ada, bob] = await pair();
    for (const client of [ada, bob]) client.on('link', (l) => l.channel('chat', { id: 1 }));
    ada.call('bob');
    const old = link(ada);
    bob.call('ada');
    await settle(400);
    assert.equal(old.closed, true);
    assert.equal(ada.links.length + bob.links.length, 2);
    assertAgreed(link(ada), link(bob));
    assert.equal(link(bob).remoteId, link(ada).id);
  });

  test('glare while a call is up', async () => {
    const [ada, bob] = await connected();
    hub.held = [];
    link(ada).channel('one');
    link(bob).channel('two');
    await settle();
    hub.release();
    await settle(300);
    assertAgreed(link(ada), link(bob));
    assert.equal(link(bob).pc.rollbacks, 0);
    assert.equal(ada.links.length, 1);
  });

  test('glare while the own offer is still being made', async () => {
    const [ada, bob] = await connected();
    let open;
    link(bob).pc.gate = new Promise((resolve) => { open = resolve; });
    link(bob).channel('two');
    await settle();
    assert.equal(link(bob).pc.signalingState, 'stable');
    link(ada).channel('one');
    await settle(200);
    open();
    await settle(300);
    assertAgreed(link(ada), link(bob));
    assert.equal(link(bob).pc.rollbacks, 0);
    assert.equal(link(ada).pc.rollbacks, 1);
  });

  test('who is not in the list yet is a newcomer; without a room the ids decide', async () => {
    const [ada] = await pair();
    assert.equal(ada.isPolite('newcomer', 'r'), true);
    assert.equal(ada.isPolite('bob'), true);
    assert.equal(ada.isPolite('aaa'), false);
  });

  test('candidates that come before their description wait for it', async () => {
    const [ada, bob] = await pair();
    hub.held = [];
    bob.call('ada').channel('chat');
    await settle();
    assert.deepEqual(hub.held.map((m) => m.frame.kind).sort(), ['candidate', 'end', 'offer']);
    hub.held.sort((a, b) => (a.frame.kind === 'offer') - (b.frame.kind === 'offer')); // the offer last
    const [candidate] = hub.held;
    assert.equal(candidate.frame.kind, 'candidate');
    hub.release();
    await settle(200);
    assert.equal(link(ada).pc.remoteDescription.sdp, link(bob).pc.localDescription.sdp);
    assert.deepEqual(link(ada).pc.added.map((c) => c?.candidate), [candidate.frame.data.candidate, undefined]);
  });

  test('candidates of the answer that overtake it wait too', async () => {
    const [ada, bob] = await pair();
    bob.call('ada').channel('chat');
    hub.held = [];
    await settle();
    hub.release();
    hub.held = [];
    await settle();
    assert.ok(hub.held.some((m) => m.frame.kind === 'answer'));
    hub.release((list) => [...list].sort((a, b) => (a.frame.kind === 'answer') - (b.frame.kind === 'answer')));
    await settle(200);
    assertAgreed(link(ada), link(bob));
  });

  test('candidates of a restart that overtake its offer wait for it', async () => {
    const [ada, bob] = await connected();
    hub.held = [];
    link(bob).restart();
    await settle();
    hub.release((list) => [...list].sort((a, b) => (a.frame.kind === 'offer') - (b.frame.kind === 'offer')));
    await settle(200);
    assertAgreed(link(ada), link(bob));
    assert.ok(link(ada).pc.rejected.length > 0);
  });

  test('candidates of an ignored offer are not kept', async () => {
    const [ada, bob] = await connected();
    hub.held = [];
    link(ada).channel('one');
    link(bob).channel('two');
    await settle();
    const [lost] = hub.held.filter((m) => m.to === 'bob' && m.frame.kind === 'offer');
    hub.release();
    await settle(300);
    const tried = () => link(bob).pc.rejected.filter((ufrag) => ufrag === lost.frame.data.sdp).length;
    assert.equal(tried(), 1);
    link(ada).restart();
    await settle(200);
    assert.equal(tried(), 1, 'not tried again with a later description');
    assert.ok(!link(bob).pc.added.some((c) => c?.usernameFragment === lost.frame.data.sdp));
  });

  test('an answer to an earlier offer is dropped', async () => {
    const [ada, bob] = await connected();
    const { sdp } = link(bob).pc.remoteDescription;
    hub.held = [];
    link(bob).restart();
    await settle();
    const data = { type: 'answer', sdp: 'stale', n: 1, link: link(ada).id, to: link(bob).id };
    hub.deliver({ to: 'bob', frame: { t: 'msg', room: 'r', from: 'ada', kind: 'answer', data } });
    await settle(200);
    assert.equal(link(bob).pc.remoteDescription.sdp, sdp);
    hub.release();
    await settle(200);
    assertAgreed(link(ada), link(bob));
    const errors = [];
    link(bob).on('error', (e) => errors.push(e));
    hub.deliver({ to: 'bob', frame: { t: 'msg', room: 'r', from: 'ada', kind: 'answer', data: { ...data, n: undefined } } });
    await settle(200);
    assert.deepEqual(errors, [], 'nor does one without any offer disturb');
  });

  test('an offer that went to a link which is gone is repeated to its successor', async () => {
    const [ada, bob] = await connected();
    for (const client of [ada, bob]) client.on('link', (l) => l.channel('chat', { id: 1 }));
    hub.held = [];
    bob.configure({}); // bob is the impolite one
    await settle(50);
    const offers = hub.held.splice(0);
    hub.held = undefined;
    for (const message of offers) hub.deliver(message);
    ada.configure({}); // takes bob's offer with the link that it throws away
    await settle(400);
    assert.equal(ada.links.length + bob.links.length, 2);
    assertAgreed(link(ada), link(bob));
  });

  test('an offer without an answer is repeated', async () => {
    const [ada, bob] = await pair();
    hub.held = [];
    bob.call('ada').channel('chat');
    await settle();
    hub.release(() => []);
    await tick(4_999);
    assert.equal(link(ada), undefined);
    await tick(1);
    await settle(200);
    assert.equal(link(bob).pc.signalingState, 'stable');
    assert.equal(link(ada).pc.remoteDescription.sdp, link(bob).pc.localDescription.sdp);
    const sent = bob.socket.of('send').length;
    await tick(20_000);
    assert.equal(bob.socket.of('send').length, sent, 'but not once it is answered');
  });

  test('a lost answer is given again, without another negotiation', async () => {
    const [ada, bob] = await pair();
    hub.refuse = (m) => (m.kind === 'answer' ? { code: 'unknown_target' } : undefined);
    bob.call('ada').channel('chat');
    await settle(200);
    assert.equal(link(bob).pc.signalingState, 'have-local-offer');
    hub.refuse = undefined;
    const { sdp } = link(ada).pc.localDescription;
    await tick(5_000);
    await settle(200);
    assert.equal(link(ada).pc.localDescription.sdp, sdp);
    assertAgreed(link(ada), link(bob));
  });

  test('a rate limited signal is sent again', async () => {
    const [ada, bob] = await pair();
    let refusals = 0;
    hub.refuse = (m) => (m.kind === 'offer' && refusals++ === 0 ? { code: 'rate_limited', retryAfter: 2 } : undefined);
    bob.call('ada').channel('chat');
    await settle(200);
    assert.equal(link(ada), undefined);
    await tick(2_000);
    await settle(200);
    assertAgreed(link(ada), link(bob));
  });

  test('offers from outside of the rooms are refused, unless accepted', async () => {
    const [ada, bob] = await pair();
    const eve = await enter('eve', { accept: ({ peer }) => peer === 'bob' });
    const frame = { t: 'msg', from: 'bob', kind: 'offer', data: { type: 'offer', sdp: 'x', link: 'l' } };
    hub.deliver({ to: 'ada', frame });
    hub.deliver({ to: 'eve', frame });
    hub.deliver({ to: 'eve', frame: { ...frame, from: 'mallory' } });
    await settle(200);
    assert.equal(ada.links.length, 0);
    assert.deepEqual(eve.links.map((l) => [l.peer, l.room, l.polite]), [['bob', undefined, eve.peer < 'bob']]);
    assert.equal(bob.links.length, 0);
  });

  test('malformed signals do no harm', async () => {
    const [ada, bob] = await connected();
    for (const data of [null, 7, 'x', [], {}, { candidate: 5 }, { to: 'other', sdp: 1 }]) {
      for (const kind of ['answer', 'candidate', 'end', 'custom', '__proto__', 'toString']) {
        hub.deliver({ to: 'ada', frame: { t: 'msg', room: 'r', from: 'bob', kind, data } });
      }
    }
    await settle(200);
    link(bob).restart();
    await settle(200);
    assertAgreed(link(ada), link(bob));
  });
});

describe('a path that breaks', () => {
  test('failed: ICE is restarted and both agree again', async () => {
    const [ada, bob] = await connected();
    const before = link(ada).pc.localDescription.sdp;
    link(ada).pc.setIce('failed');
    await settle(200);
    assert.equal(link(ada).pc.restarts, 1);
    assert.notEqual(link(ada).pc.localDescription.sdp, before);
    assertAgreed(link(ada), link(bob));
  });

  test('disconnected: restarted after 3 s, but not when it heals', async () => {
    const [ada] = await connected();
    link(ada).pc.setIce('disconnected');
    await tick(2_999);
    link(ada).pc.setIce('connected');
    await tick(10_000);
    assert.equal(link(ada).pc.restarts, 0);
    link(ada).pc.setIce('disconnected');
    await tick(3_000);
    assert.equal(link(ada).pc.restarts, 1);
  });

  test('a change of network restarts ICE', async () => {
    const handlers = {};
    globalThis.addEventListener = (type, handler) => { handlers[type] = handler; };
    try {
      const [ada] = await connected();
      handlers.online();
      assert.equal(clients.indexOf(ada), 0);
      assert.equal(link(clients[1]).pc.restarts, 1, 'the client that registered last');
    } finally {
      delete globalThis.addEventListener;
    }
  });
});

test('a change of the kind of network, as some browsers tell it, restarts ICE', async () => {
  const handlers = [];
  const connection = { type: 'wifi', addEventListener: (_, handler) => handlers.push(handler), removeEventListener() {} };
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { connection, onLine: true }, configurable: true });
  try {
    const [ada] = await connected();
    handlers[0]();
    assert.equal(link(ada).pc.restarts, 0, 'the same network, only better or worse');
    connection.type = 'cellular';
    handlers[0]();
    assert.equal(link(ada).pc.restarts, 1);
  } finally {
    for (const client of clients.splice(0)) client.close();
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else delete globalThis.navigator;
  }
});

describe('signalling that comes back', () => {
  async function reconnect(client, peer) {
    await tick(1_000);
    const socket = FakeWebSocket.last;
    hub.attach(socket, peer);
    hub.members.delete(peer);
    await socket.open();
    await settle(200);
    assert.equal(client.state, 'open');
  }

  test('an offer that was lost is sent again', async () => {
    const [ada, bob] = await connected();
    await bob.socket.drop();
    link(bob).channel('late');
    await settle();
    assert.equal(link(bob).pc.signalingState, 'have-local-offer');
    await reconnect(bob, 'bob');
    assert.equal(link(bob).pc.signalingState, 'stable');
    assert.equal(link(ada).pc.remoteDescription.sdp, link(bob).pc.localDescription.sdp);
  });

  test('a path that broke meanwhile is restarted, a good one is left alone', async () => {
    const [ada, bob] = await connected();
    await bob.socket.drop();
    await reconnect(bob, 'bob');
    assert.equal(link(bob).pc.restarts, 0);
    await FakeWebSocket.last.drop();
    link(bob).pc.iceConnectionState = 'disconnected';
    await reconnect(bob, 'bob');
    assert.equal(link(bob).pc.restarts, 1);
    assertAgreed(link(ada), link(bob));
  });

  test('under another id, the links are closed', async () => {
    const [, bob] = await connected();
    const old = link(bob);
    await bob.socket.drop();
    await reconnect(bob, 'bob2');
    assert.equal(old.closed, true);
    assert.equal(bob.links.length, 0);
  });
});

describe('a peer that goes', () => {
  const reasons = (l) => {
    const list = [];
    l.on('close', (reason) => list.push(reason));
    return list;
  };

  test('on purpose: the link ends; when it comes back there is a new one', async () => {
    const [ada, bob] = await connected();
    const old = link(ada), closed = reasons(old);
    hub.leave('bob', 'left');
    await settle();
    assert.deepEqual(closed, ['left']);
    assert.equal(ada.links.length, 0);
    bob.close();
    const again = await enter('bob');
    again.call('ada').channel('chat');
    await settle(200);
    assert.notEqual(link(ada), old);
    assertAgreed(link(ada), link(again));
  });

  test('by accident: the link lives on for 20 s', async () => {
    const [ada] = await connected();
    const closed = reasons(link(ada));
    hub.leave('bob', 'lost');
    await tick(19_999);
    assert.deepEqual(closed, []);
    await tick(1);
    assert.deepEqual(closed, ['lost']);
    assert.equal(ada.links.length, 0);
  });

  test('and comes back in time: the link stays', async () => {
    const [ada] = await connected();
    const old = link(ada);
    hub.leave('bob', 'lost');
    await tick(10_000);
    await ada.socket.say({ t: 'peer-joined', room: 'r', peer: 'bob', polite: true });
    await tick(60_000);
    assert.equal(link(ada), old);
  });

  test('by accident, with its media gone too: the link ends at once', async () => {
    const [ada] = await connected();
    const closed = reasons(link(ada));
    link(ada).pc.iceConnectionState = 'disconnected';
    hub.leave('bob', 'lost');
    await settle();
    assert.deepEqual(closed, ['lost']);
  });

  test('and starts afresh (a reload): its offer replaces the link', async () => {
    const [ada] = await connected();
    const old = link(ada), closed = reasons(old);
    hub.leave('bob', 'lost');
    const again = await enter('bob');
    again.call('ada').channel('chat');
    await settle(200);
    assert.deepEqual(closed, ['replaced']);
    assertAgreed(link(ada), link(again));
  });

  test('and starts afresh twice: its last link counts', async () => {
    const [ada, bob] = await connected();
    bob.on('link', (l) => l.channel('chat', { id: 1 }));
    ada.on('link', (l) => l.channel('chat', { id: 1 }));
    hub.held = [];
    ada.configure({});
    await settle(50);
    hub.release();
    hub.held = [];
    await settle(100);
    bob.configure({}); // its answer to the new link is on the way, and the offer of the next one follows at once
    await settle(100);
    assert.ok(hub.held.some((m) => m.frame.kind === 'answer'));
    hub.release();
    await settle(400);
    assert.equal(ada.links.length + bob.links.length, 2);
    assertAgreed(link(ada), link(bob));
    assert.equal(link(ada).remoteId, link(bob).id);
  });

  test('and has forgotten the link: the call is made anew', async () => {
    const [ada] = await connected();
    const old = link(ada), closed = reasons(old);
    hub.leave('bob', 'lost');
    const again = await enter('bob');
    ada.on('link', (l) => l.channel('chat'));
    old.restart(); // an offer for a link that the new page does not know
    await settle(300);
    assert.deepEqual(closed, ['stale']);
    assertAgreed(link(ada), link(again));
  });

  test('hangs up: the other side is told', async () => {
    const [ada, bob] = await connected();
    const closed = reasons(link(ada));
    link(bob).close();
    await settle(200);
    assert.deepEqual(closed, ['bye']);
    assert.equal(ada.links.length + bob.links.length, 0);
  });

  test('a late goodbye of an earlier link is ignored', async () => {
    const [ada] = await connected();
    const frame = { t: 'msg', room: 'r', from: 'bob', kind: 'custom', data: { bye: true, link: 'earlier' } };
    hub.deliver({ to: 'ada', frame });
    await settle(200);
    assert.equal(ada.links.length, 1);
  });

  test('late candidates of an ended call do not open a new one', async () => {
    const [ada, bob] = await connected();
    hub.held = [];
    link(bob).restart();
    await settle();
    link(ada).close();
    await settle();
    hub.release((list) => list.filter((m) => m.frame.kind !== 'offer'));
    await settle(200);
    assert.equal(ada.links.length, 0);
  });
});

test('configure() replaces the links, with the new options', async () => {
  const [ada, bob] = await connected();
  bob.on('link', (l) => l.channel('chat', { id: 1 }));
  const old = link(bob);
  bob.configure({ iceTransportPolicy: 'relay' });
  await settle(300);
  assert.equal(old.closed, true);
  assert.equal(link(bob).pc.configuration.iceTransportPolicy, 'relay');
  assert.equal(ada.links.length, 1);
  assertAgreed(link(ada), link(bob));
});

test('publish() replaces a track of the same kind', async () => {
  const [, bob] = await pair();
  const l = bob.call('ada');
  const stream = (id) => ({ getTracks: () => [{ kind: 'video', id }] });
  await l.publish(stream('one'));
  assert.equal(l.pc.replaced, undefined);
  await l.publish(stream('two'));
  assert.equal(l.pc.replaced.id, 'two');
  await l.publish(null);
  assert.equal(l.pc.replaced, null);
});

describe('stats', () => {
  const report = (bytes, lost, got, localType = 'host') => new Map([
    ['T', { type: 'transport', selectedCandidatePairId: 'P', bytesSent: bytes, bytesReceived: 2 * bytes }],
    ['P', { type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R', currentRoundTripTime: 0.025 }],
    ['Q', { type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'R', remoteCandidateId: 'R' }],
    ['L', { candidateType: localType, protocol: 'udp', relayProtocol: localType === 'relay' ? 'tls' : undefined }],
    ['R', { candidateType: 'srflx', protocol: 'udp' }],
    ['I', { type: 'inbound-rtp', packetsLost: lost, packetsReceived: got }],
    ['O', { type: 'remote-inbound-rtp', fractionLost: 0.04 }],
  ]);

  test('gives the path, the round trip and the rates between two calls', async (t) => {
    const [, bob] = await pair();
    const l = bob.call('ada');
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    l.pc.stats = report(1000, 0, 0);
    const first = await l.stats();
    assert.deepEqual([first.path, first.protocol, first.rtt, first.bitrateIn, first.lossIn], ['direct', 'udp', 25, 0, 0]);
    now = 2000;
    l.pc.stats = report(126_000, 10, 90, 'relay');
    const second = await l.stats();
    assert.deepEqual([second.path, second.protocol], ['relay', 'tls']);
    assert.equal(second.bitrateOut, 500_000);
    assert.equal(second.bitrateIn, 1_000_000);
    assert.equal(second.lossIn, 0.1);
    assert.equal(second.lossOut, 0.04);
  });

  test('without a pair there is no path', async () => {
    const [, bob] = await pair();
    const { path, rtt, bitrateIn } = await bob.call('ada').stats();
    assert.deepEqual([path, rtt, bitrateIn], [undefined, undefined, 0]);
  });

  test('the other side on the relay is a relayed path too', async () => {
    const [, bob] = await pair();
    const l = bob.call('ada');
    l.pc.stats = report(0, 0, 0);
    l.pc.stats.get('R').candidateType = 'relay';
    assert.equal((await l.stats()).path, 'relay');
  });
});

test('closing the client closes its connections', async () => {
  await connected();
  for (const client of clients) client.close();
  assert.ok(FakePeerConnection.all.every((pc) => pc.signalingState === 'closed'));
});
