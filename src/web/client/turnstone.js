// SPDX-License-Identifier: Apache-2.0
// Browser client of the Turnstone signalling protocol (signal.v1+json); types are in turnstone.d.ts.

const FATAL_CLOSE = [4001, 4003, 4009]; // unauthorized, forbidden, superseded: trying again cannot help
const FATAL_ERROR = ['unauthorized', 'token_expired', 'forbidden', 'unsupported_version', 'bad_request'];
const REQUEST_MS = 10_000, CONNECT_MS = 15_000, OPEN_MS = 6_000, ORPHAN_MS = 20_000, DISCONNECTED_MS = 3_000, ANSWER_MS = 5_000;
const ACK_EVERY = 16; // messages
const MAX_NOTES = 50; // of what diagnose() tells about a link
const MAX_EARLY = 128; // candidates kept for a description that has not come yet
const UP = ['connected', 'completed'];
const reached = new Map(); // URL → how a server was reached there: 'websocket' or 'events'; as long as the page lives

const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(36)).join('');
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** An error answer of the server, or a local one: `timeout`, `disconnected`, `closed`. */
export class SignalError extends Error {
  constructor(code, message, retryAfter) {
    super(message ?? code);
    Object.assign(this, { name: 'SignalError', code, retryAfter });
  }
}

class Emitter {
  #handlers = new Map();

  /** Adds a listener and returns the function that removes it. */
  on(type, handler) {
    if (!this.#handlers.has(type)) this.#handlers.set(type, new Set());
    this.#handlers.get(type).add(handler);
    return () => this.off(type, handler);
  }

  off(type, handler) {
    this.#handlers.get(type)?.delete(handler);
  }

  emit(type, event) {
    for (const handler of [...(this.#handlers.get(type) ?? [])]) {
      // A listener that throws is reported but must not break the protocol.
      try { handler(event); } catch (e) { queueMicrotask(() => { throw e; }); }
    }
  }
}

/** Opens a signalling session that keeps itself alive. */
export const connect = (options) => new Client(options);

export class Client extends Emitter {
  /** 'connecting' | 'open' | 'reconnecting' | 'closed' */
  state = 'connecting';
  /** Own peer id, once welcomed. */
  peer;
  /** Always current; renewed before the credentials expire. */
  iceServers = [];
  features = [];
  limits = {};
  /** room → Map(peer → {peer, meta, polite}) */
  rooms = new Map();
  #options; #socket; #rtc; #welcomed = false; #attempt = 0; #retryAt = 0; #failures = 0; #via; #refusal; #nextId = 1; #heartbeat;
  #retryTimer; #iceTimer; #goawayTimer; #connectionType;
  #pending = new Map(); // request id → {resolve, reject, timer}
  #waiting = new Set(); // requests made while there is no session
  #wanted = new Map(); // room → {meta, options}: what is joined again after a reconnect
  #links = new Map(); // room + peer → PeerLink
  #strays = []; // candidates that came before the offer they belong to
  #session; // {sid, key} of what can be resumed
  #seq = 0; #acked = 0; // the last message seen, and acknowledged
  #present = new Set(); // rooms that the session is in
  #leaving = new Set();
  #roomIce = new Map(); // room → what it adds
  #log = []; // state changes, for diagnose()
  #onNetwork = () => this.#networkChanged();
  #onVisible = () => globalThis.document.visibilityState === 'visible' && this.#wake();

  constructor({ url, rtcConfig, ...options } = {}) {
    super();
    this.#options = options;
    this.#rtc = { ...rtcConfig };
    this.url = String(url ?? new URL('/v1/ws', location.href)).replace(/^http/, 'ws');
    this.#connectionType = globalThis.navigator?.connection?.type;
    globalThis.addEventListener?.('online', this.#onNetwork);
    globalThis.navigator?.connection?.addEventListener?.('change', this.#onNetwork);
    globalThis.document?.addEventListener?.('visibilitychange', this.#onVisible);
    this.#open();
  }

  get rtcConfig() { return this.rtcConfigOf(); }

  rtcConfigOf(room) {
    const own = this.#roomIce.get(room);
    const others = own ? this.iceServers.filter((s) => s.username === undefined) : this.iceServers;
    return { ...this.#rtc, iceServers: [...others, ...(own ?? [])] };
  }

  /** @internal Messages will go out, now or with the resume. */
  get canSend() { return this.state === 'open' || (this.state === 'reconnecting' && this.#session !== undefined); }

  get links() { return [...this.#links.values()]; }

  /** Resolves when the session is open; rejects when it is closed for good. */
  ready(ms = Infinity) {
    if (this.state === 'open') return Promise.resolve(this);
    if (this.state === 'closed') return Promise.reject(new SignalError('closed'));
    return new Promise((resolve, reject) => {
      const entry = { resolve: () => settle(resolve, this), reject: (e) => settle(reject, e) };
      const timer = Number.isFinite(ms) && setTimeout(entry.reject, ms, new SignalError('timeout'));
      const settle = (how, value) => { clearTimeout(timer); this.#waiting.delete(entry); how(value); };
      this.#waiting.add(entry);
    });
  }

  /** Joins a room, now and after every reconnect; resolves to the peers already there. Who makes it sets its options. */
  async join(room, meta, options) {
    await this.ready(REQUEST_MS);
    this.#wanted.set(room, { meta, options });
    try {
      return (await this.#request({ t: 'join', room, meta, options })).peers;
    } catch (e) {
      this.#wanted.delete(room);
      throw e;
    }
  }

  async leave(room) {
    this.#forget(room, 'left');
    if (this.state === 'open') await this.#request({ t: 'leave', room });
    else if (this.canSend) this.#leaving.add(room); // the server keeps the membership while the connection is away
  }

  async send(to, kind, data, { room, queue } = {}) { return this.#ask({ t: 'send', room, to, kind, data, queue }); }

  async update(meta, room) {
    await this.ready(REQUEST_MS);
    if (this.#wanted.has(room)) this.#wanted.get(room).meta = meta;
    return this.#request({ t: 'update', room, meta });
  }

  async list(room) { return (await this.#ask({ t: 'list', room })).peers; }

  async configureRoom(room, { size, locked, meta }) { return this.#ask({ t: 'room', room, size, locked, meta }); }

  async kick(room, peer, reason) { return this.#ask({ t: 'kick', room, peer, reason }); }

  async ban(room, peer, seconds, reason) { return this.#ask({ t: 'ban', room, peer, seconds, reason }); }

  async ice() { return (await this.#ask({ t: 'ice' })).servers; }

  /** Changes RTCPeerConnection options, e.g. {iceTransportPolicy: 'relay'}. Every link is replaced by a new one. */
  configure(rtcConfig) {
    Object.assign(this.#rtc, rtcConfig);
    // An ICE restart would not do: browsers stay on a path that works, also when the policy no longer allows it.
    for (const { peer, room } of this.#dropLinks('replaced')) this.call(peer, room);
  }

  /** The link to a peer, made if there is none; add tracks or channels to it to start the call. */
  call(peer, room = [...this.rooms].find(([, peers]) => peers.has(peer))?.[0]) {
    return this.#links.get(linkKey(room, peer)) ?? this.#link(peer, room);
  }

  /** What is going on, in words: states, candidates, the path of each link, and what went wrong. */
  async diagnose() {
    const lines = [`${this.url}: ${this.state}${this.peer ? ` as ${this.peer}` : ''}`];
    const urls = this.iceServers.flatMap((s) => s.urls);
    lines.push(`ICE servers: ${urls.join(', ') || 'none'}`);
    if (!urls.some((u) => u.startsWith('turn'))) lines.push('  no TURN server: calls between strict networks will fail');
    for (const [room, peers] of this.rooms) lines.push(`room ${room}: ${[...peers.keys()].join(', ') || 'nobody else'}`);
    lines.push(...this.#log);
    for (const link of this.links) lines.push(...await link.diagnose());
    return lines.join('\n');
  }

  close() {
    this.#write({ t: 'bye' });
    this.#finish(new SignalError('closed'));
  }

  /** What the server said this side is towards a peer; without a room both sides compare their ids. */
  isPolite(peer, room) {
    // A room-mate who is not in the list yet can only be a newcomer, and newcomers are impolite.
    return this.rooms.get(room)?.get(peer)?.polite ?? (room !== undefined || this.peer < peer);
  }

  // What has worked, or a WebSocket; and while that dies before the welcome, now and then the other one.
  #transport({ transport = 'auto' } = this.#options) {
    if (transport !== 'auto') return transport;
    const known = reached.get(this.url), cycle = known ? 5 : 3;
    return (this.#failures % cycle === cycle - 1) === (known === 'events') ? 'websocket' : 'events';
  }

  async #open() {
    this.#via = this.#transport();
    this.#refusal = undefined;
    let socket = this.#socket = { timer: -1, close() {} }, Socket = globalThis.WebSocket;
    if (this.#via === 'events') {
      note(this.#log, 'signalling by events and POSTs');
      try { Socket = (await import('./events.js')).EventLink; } catch { return this.#lost(socket); }
      if (socket !== this.#socket) return;
    }
    try {
      socket = this.#socket = new Socket(this.url, 'signal.v1+json');
    } catch (e) {
      return this.#finish(e);
    }
    socket.timer = setTimeout(() => {
      this.#failures ||= 1; // the other way is next
      this.#lost(socket);
    }, this.#failures ? CONNECT_MS : OPEN_MS);
    socket.onopen = async () => {
      clearTimeout(socket.timer);
      socket.timer = setTimeout(() => this.#lost(socket), CONNECT_MS);
      try {
        const { token, peer, meta } = this.#options;
        const secret = typeof token === 'function' ? await token() : token;
        const resume = this.#session && { ...this.#session, seq: this.#seq };
        if (socket === this.#socket) this.#write({ t: 'hello', v: 1, token: secret, peer: this.peer ?? peer, meta, resume });
      } catch { this.#lost(socket); }
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      let message;
      try { message = JSON.parse(data); } catch { return; }
      if (message && typeof message === 'object') this.#receive(message);
    };
    socket.onclose = ({ code, reason }) => this.#lost(socket, code, reason);
  }

  #setState(state, detail) {
    if (this.state === state) return;
    this.state = state;
    const why = detail?.error?.message ?? [detail?.code, detail?.reason].filter(Boolean).join(' ');
    note(this.#log, `signalling ${state}${why ? ` (${why})` : ''}`);
    this.emit('state', { state, ...detail });
  }

  // The socket is gone, or given up: a dead network may report its close minutes later.
  #lost(socket, code, reason) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#stopTimers(socket);
    socket.close(4000, 'coming back'); // 1000 would be leaving
    if (socket.timer && !this.#refusal && (code ?? 1006) === 1006 && globalThis.navigator?.onLine !== false) this.#failures++;
    for (const entry of [...this.#pending.values()]) {
      if (!this.#session || entry.message.t === 'ping') entry.reject(new SignalError('disconnected'));
    }
    const refusal = this.#refusal;
    if (refusal?.code === 'peer_taken' && this.peer && this.peer !== this.#options.peer) {
      this.peer = undefined; // an id the server had chosen: any other will do
    } else if (FATAL_CLOSE.includes(code) || FATAL_ERROR.includes(refusal?.code)
        || (refusal?.code === 'peer_taken' && !this.#welcomed)) {
      return this.#finish(refusal ?? new SignalError(CLOSE_NAMES[code], reason || undefined));
    }
    const backoff = Math.min(30_000, 500 * 2 ** this.#attempt++) * (0.5 + Math.random() / 2);
    const delay = Math.max(backoff, this.#retryAt - Date.now());
    this.#setState('reconnecting', { code, reason, delay });
    this.#retryTimer = setTimeout(() => this.#open(), delay);
  }

  #finish(error) {
    if (this.state === 'closed') return;
    const socket = this.#socket;
    this.#socket = undefined;
    this.#stopTimers(socket);
    globalThis.removeEventListener?.('online', this.#onNetwork);
    globalThis.navigator?.connection?.removeEventListener?.('change', this.#onNetwork);
    globalThis.document?.removeEventListener?.('visibilitychange', this.#onVisible);
    this.#dropLinks('closed');
    this.rooms.clear();
    this.#wanted.clear();
    this.#session = undefined;
    socket?.close();
    this.#setState('closed', { error });
    for (const entry of [...this.#pending.values(), ...this.#waiting]) entry.reject(error);
  }

  #stopTimers(socket) {
    clearInterval(this.#heartbeat);
    for (const timer of [socket?.timer, this.#retryTimer, this.#iceTimer, this.#goawayTimer]) clearTimeout(timer);
  }

  #retryNotBefore(seconds) {
    // Spread out, or all the clients of a restarted server come back in the same instant.
    if (seconds > 0) this.#retryAt = Date.now() + seconds * 1000 * (1 + Math.random() / 4);
  }

  #networkChanged() {
    const type = globalThis.navigator?.connection?.type;
    const online = globalThis.navigator?.onLine !== false;
    if (!online || (type !== undefined && type === this.#connectionType && this.state === 'open')) return;
    this.#connectionType = type;
    note(this.#log, `network changed${type ? ` to ${type}` : ''}`);
    this.#wake();
    if (this.state === 'open') for (const link of this.links) link.pc.restartIce();
  }

  // Timers may have slept, and the connection may be gone without anybody having told.
  #wake() {
    if (this.state === 'reconnecting' && !this.#socket && Date.now() >= this.#retryAt) {
      clearTimeout(this.#retryTimer);
      this.#open();
    } else if (this.state === 'open') {
      this.#ping(3000);
    }
  }

  #write(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #ask(message) { return this.ready(REQUEST_MS).then(() => this.#request(message)); }

  #request(message, ms = REQUEST_MS) {
    return new Promise((resolve, reject) => {
      if (!this.#socket) throw new SignalError('disconnected');
      const id = String(this.#nextId++);
      const settle = (how, value) => { clearTimeout(timer); this.#pending.delete(id); how(value); };
      const timer = setTimeout(() => settle(reject, new SignalError('timeout', `${message.t}: no answer`)), ms);
      const socket = this.#socket;
      this.#pending.set(id, { message, socket, resolve: (v) => settle(resolve, v), reject: (e) => settle(reject, e) });
      this.#write({ ...message, id });
    });
  }

  #ack(after) {
    if (this.#seq - this.#acked < after) return;
    this.#acked = this.#seq;
    this.#write({ t: 'ack', seq: this.#seq });
  }

  #ping(ms) {
    const socket = this.#socket;
    this.#ack(1);
    this.#request({ t: 'ping' }, ms).then(() => { this.#attempt = 0; }, () => this.#lost(socket));
  }

  #receive(m) {
    const answer = m.id === undefined ? undefined : this.#pending.get(String(m.id));
    const peers = this.rooms.get(m.room);
    if (m.seq > 0 && this.#session) {
      if (m.seq <= this.#seq) return; // seen before the resume
      this.#seq = m.seq;
      this.#ack(ACK_EVERY);
    }
    switch (m.t) {
      case 'welcome': this.#onWelcome(m); break;
      case 'joined': this.#onJoined(m); break;
      case 'peer-left': this.#onPeerLeft(m); break;
      case 'peer-joined':
      case 'peer-resumed':
        if (m.t === 'peer-joined') peers?.set(m.peer, { peer: m.peer, meta: m.meta, polite: m.polite });
        this.#links.get(linkKey(m.room, m.peer))?.adopt();
        this.emit(m.t, m);
        break;
      case 'peer-updated':
        if (peers?.has(m.peer)) peers.get(m.peer).meta = m.meta;
        this.emit(m.t, m);
        break;
      case 'msg':
        this.emit(m.t, m);
        this.#onSignal(m);
        break;
      case 'ice': this.#setIce(m); break;
      case 'error': {
        const error = new SignalError(m.code, m.message, m.retryAfter);
        if (answer) return answer.reject(error);
        if (this.#socket.timer) { // no welcome yet, so it is the hello that was refused
          this.#refusal = error;
          this.#retryNotBefore(m.retryAfter);
        }
        this.emit(m.t, error);
        return;
      }
      case 'kicked':
        this.emit(m.t, m);
        if (m.room !== undefined) {
          this.#forget(m.room, 'kicked');
          break;
        }
        return this.#finish(new SignalError(m.code ?? 'kicked', m.reason));
      case 'goaway': {
        const socket = this.#socket;
        this.#retryNotBefore(m.retryAfter);
        this.emit(m.t, m);
        clearTimeout(this.#goawayTimer);
        this.#goawayTimer = setTimeout(() => this.#lost(socket), Math.max(0, this.#retryAt - Date.now()));
        break;
      }
      case 'expired':
      case 'room-updated': this.emit(m.t, m); break;
    }
    answer?.resolve(m);
  }

  async #onWelcome(m) {
    const socket = this.#socket;
    clearTimeout(socket.timer);
    socket.timer = undefined;
    this.#failures = 0;
    if (this.#via === 'websocket' || !reached.has(this.url)) reached.set(this.url, this.#via);
    if (this.#welcomed && this.peer !== m.peer) {
      this.#dropLinks('identity'); // the others know those links under the old id
    }
    this.peer = m.peer;
    this.features = m.features ?? [];
    this.limits = m.limits ?? {};
    if (!m.resumed) this.#roomIce.clear(); // they went with the session
    if (m.ice) this.#setIce(m.ice);
    const beat = (m.heartbeat > 0 ? m.heartbeat : 25) * 1000;
    this.#heartbeat = setInterval(() => this.#ping(Math.min(beat, REQUEST_MS)), beat);
    if (m.resumed) {
      // After the pong, what still has no answer has never come to the server.
      try { await this.#request({ t: 'ping' }); } catch { return this.#lost(socket); }
      if (socket !== this.#socket) return;
      this.#attempt = Math.min(this.#attempt, 2); // it works: a network that comes and goes must not cost the session
      for (const [id, entry] of this.#pending) {
        if (entry.socket !== socket) this.#write({ ...entry.message, id });
        entry.socket = socket;
      }
    } else {
      this.#session = this.features.includes('resume') ? { sid: m.sid, key: m.key } : undefined;
      this.#seq = this.#acked = 0;
      this.#present.clear();
      this.#leaving.clear();
      for (const entry of [...this.#pending.values()]) {
        if (entry.socket !== socket) entry.reject(new SignalError('disconnected'));
      }
      await null; // who was told that a join has failed takes the room back first
    }
    for (const room of new Set([...this.#leaving, ...this.#present])) {
      if (this.#wanted.has(room)) continue;
      this.#forget(room, 'left'); // also what was joined although join() had given up
      this.#write({ t: 'leave', room });
    }
    this.#leaving.clear();
    for (const [room, how] of [...this.#wanted]) {
      if (!this.#present.has(room)) await this.#rejoin(socket, room, how);
    }
    if (socket !== this.#socket) return;
    this.#welcomed = true;
    this.#setState('open');
    for (const entry of [...this.#waiting]) entry.resolve();
    for (const link of this.links) link.resync();
  }

  async #rejoin(socket, room, how) {
    while (socket === this.#socket) {
      try {
        return await this.#request({ t: 'join', room, ...how });
      } catch (e) {
        if (socket !== this.#socket) return;
        if (e.code === 'timeout') return this.#lost(socket);
        if (e.code !== 'rate_limited') {
          this.#forget(room, e.code);
          return this.emit('left', { room, error: e });
        }
        await wait((e.retryAfter ?? 1) * 1000);
      }
    }
  }

  #onJoined(m) {
    this.#present.add(m.room);
    if (m.ice) this.#setIce({ ...m.ice, room: m.room });
    const before = this.rooms.get(m.room);
    this.rooms.set(m.room, new Map(m.peers.map((p) => [p.peer, p])));
    // After a reconnect, tell what changed meanwhile.
    for (const peer of before?.keys() ?? []) {
      if (!this.rooms.get(m.room).has(peer)) this.#onPeerLeft({ t: 'peer-left', room: m.room, peer, reason: 'lost' });
    }
    for (const p of m.peers) {
      this.#links.get(linkKey(m.room, p.peer))?.adopt();
      if (before && !before.has(p.peer)) this.emit('peer-joined', { t: 'peer-joined', room: m.room, ...p });
    }
    this.emit('joined', { ...m, rejoined: before !== undefined });
  }

  #onPeerLeft(m) {
    this.rooms.get(m.room)?.delete(m.peer);
    const link = this.#links.get(linkKey(m.room, m.peer));
    // Media may outlive the peer's signalling connection: give it the time to come back.
    if (m.reason === 'lost') link?.orphan(); else link?.close('left');
    this.emit(m.t, m);
  }

  #forget(room, reason) {
    this.#wanted.delete(room);
    this.#dropLinks(reason, (link) => link.room === room);
    for (const each of [this.rooms, this.#present, this.#roomIce]) each.delete(room);
  }

  #dropLinks(reason, which = () => true) {
    const dropped = this.links.filter(which);
    for (const link of dropped) link.close(reason);
    return dropped;
  }

  #setIce({ servers = [], ttl, room }) {
    if (room === undefined) this.iceServers = servers;
    else this.#roomIce.set(room, servers);
    for (const link of this.links) link.pc.setConfiguration(this.rtcConfigOf(link.room));
    if (room !== undefined) return this.emit('ice', { servers, ttl, room });
    clearTimeout(this.#iceTimer);
    // The server renews at 75 % of the life; ask for it if that did not come.
    if (ttl > 0) this.#iceTimer = setTimeout(() => this.ice().catch(() => {}), Math.min(ttl * 850, 2 ** 31 - 1));
    this.emit('ice', { servers: this.iceServers, ttl });
  }

  #onSignal({ from, room, kind, data }) {
    if (!data || typeof data !== 'object' || !(kind in SIGNALS || (kind === 'custom' && data.bye))) return;
    let link = this.#links.get(linkKey(room, from));
    const stale = data.to !== undefined && data.to !== link?.id;
    if (kind === 'offer') {
      if (stale) { // meant for a link that this side does not have (any more)
        this.send(from, 'custom', { bye: true, stale: true, link: link?.id, to: data.link }, { room }).catch(() => {});
        return;
      }
      const accept = this.#options.accept ?? ((offer) => offer.room !== undefined);
      if (!link && accept({ peer: from, room })) {
        link = this.#link(from, room);
        link.receive(kind, data);
        const strays = this.#strays.filter((s) => s.from === from && s.room === room && s.data.link === data.link);
        for (const stray of strays) link.receive(stray.kind, stray.data);
        this.#strays = this.#strays.filter((s) => !strays.includes(s));
        return;
      }
    } else if (!link && ['candidate', 'end'].includes(kind) && data.link && !stale) {
      this.#strays = [...this.#strays, { from, room, kind, data }].slice(-MAX_EARLY);
    }
    if (!link || stale) return;
    if (kind !== 'custom') return link.receive(kind, data);
    if (data.link && link.remoteId && data.link !== link.remoteId && !data.stale) return;
    link.close(data.stale ? 'stale' : 'bye');
    if (data.stale) this.call(from, room);
  }

  #link(peer, room) {
    const key = linkKey(room, peer);
    const link = new PeerLink(this, peer, room);
    this.#links.set(key, link);
    link.on('close', () => this.#links.get(key) === link && this.#links.delete(key));
    this.emit('link', link);
    return link;
  }
}

function note(notes, text) {
  notes.push(`  ${new Date().toISOString().slice(11, 23)} ${text}`);
  if (notes.length > MAX_NOTES) notes.shift();
}

const ICE_ERRORS = { 401: 'credential expired?', 701: 'port blocked?' };
const CLOSE_NAMES = { 4001: 'unauthorized', 4003: 'forbidden', 4009: 'superseded' };
const SIGNALS = { offer: 1, answer: 1, candidate: 1, end: 1 };
const linkKey = (room, peer) => JSON.stringify([room, peer]);

/** One peer connection with perfect negotiation; made by `client.call()` or by an incoming offer. */
export class PeerLink extends Emitter {
  id = randomId();
  /** The other side's link id: tells a peer that came back from the one that was here before. */
  remoteId;
  closed = false;
  #client; #queue = Promise.resolve(); #makingOffer = false; #ignoreOffer = false; #round = 0; #answered;
  #early = []; #senders = new Map(); #orphanTimer; #downTimer; #answerTimer; #successor; #last;
  #notes = []; // what diagnose() tells

  constructor(client, peer, room) {
    super();
    this.#client = client;
    this.peer = peer;
    this.room = room;
    const pc = this.pc = new RTCPeerConnection(client.rtcConfigOf(room));
    pc.onnegotiationneeded = () => this.#offer();
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate) this.#signal('end', {});
      else if (candidate.candidate) this.#signal('candidate', candidate.toJSON());
    };
    pc.onicecandidateerror = (e) => {
      const why = [e.errorCode, e.errorText, ICE_ERRORS[e.errorCode]].filter(Boolean).join(' ');
      note(this.#notes, `${e.url ?? 'a server'} failed: ${why}`);
    };
    pc.oniceconnectionstatechange = () => this.#iceState(pc.iceConnectionState);
    pc.onconnectionstatechange = () => {
      note(this.#notes, `connection ${pc.connectionState}`);
      this.emit('state', pc.connectionState);
    };
    pc.ontrack = ({ track, streams }) => this.emit('track', { track, streams });
    pc.ondatachannel = ({ channel }) => this.emit('channel', channel);
  }

  get polite() { return this.#client.isPolite(this.peer, this.room); }

  /** Sends these tracks, replacing earlier ones of the same kind without a new negotiation. */
  async publish(stream) {
    for (const kind of ['audio', 'video']) {
      const track = stream?.getTracks().find((t) => t.kind === kind) ?? null;
      if (this.#senders.has(kind)) await this.#senders.get(kind).replaceTrack(track);
      else if (track) this.#senders.set(kind, this.pc.addTrack(track, stream));
    }
  }

  /** A data channel; with an `id` both sides open it under the same number and no 'channel' event is needed. */
  channel(label, options = {}) {
    return this.pc.createDataChannel(label, { negotiated: options.id !== undefined, ...options });
  }

  restart() { this.pc.restartIce(); }

  close(reason = 'closed') {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.#orphanTimer);
    clearTimeout(this.#downTimer);
    clearTimeout(this.#answerTimer);
    if (reason === 'closed') this.#signal('custom', { bye: true });
    this.pc.close();
    this.emit('close', reason);
  }

  /** @internal The peer's signalling connection is lost. */
  orphan() {
    clearTimeout(this.#orphanTimer);
    if (UP.includes(this.pc.iceConnectionState)) this.#orphanTimer = setTimeout(() => this.close('lost'), ORPHAN_MS);
    else this.close('lost');
  }

  /** @internal The peer is (again) in the room. */
  adopt() { clearTimeout(this.#orphanTimer); }

  /** @internal The own signalling connection is back: what was sent meanwhile is lost. */
  resync() {
    this.#repeatOffer();
    if (this.pc.signalingState === 'stable' && this.pc.remoteDescription && !UP.includes(this.pc.iceConnectionState)) this.pc.restartIce();
  }

  /** @internal Messages are handled one after the other. */
  receive(kind, data) {
    this.#queue = this.#queue.then(() => {
      if (!this.closed) return this.#handle(kind, data);
      if (data.to === undefined) this.#successor?.receive(kind, data);
    }).catch((e) => this.#fail(e));
  }

  #fail(error) { if (!this.closed) this.emit('error', error); }

  #iceState(state) {
    clearTimeout(this.#downTimer);
    note(this.#notes, `ICE ${state}`);
    if (state === 'failed') this.pc.restartIce();
    // Often heals by itself; after a change of network it does not.
    if (state === 'disconnected') this.#downTimer = setTimeout(() => this.pc.restartIce(), DISCONNECTED_MS);
  }

  async #offer() {
    try {
      this.#makingOffer = true;
      await this.pc.setLocalDescription();
      this.#round++;
      this.#describe();
    } catch (e) {
      this.#fail(e);
    } finally {
      this.#makingOffer = false;
    }
  }

  #describe(round = this.#round) {
    const { type, sdp } = this.pc.localDescription;
    clearTimeout(this.#answerTimer);
    // An offer may get lost, e.g. with a link that the peer has just replaced.
    if (type === 'offer') this.#answerTimer = setTimeout(() => this.#repeatOffer(), ANSWER_MS);
    this.#signal(type, { type, sdp, n: round });
  }

  #repeatOffer() {
    if (this.pc.signalingState === 'have-local-offer') this.#describe();
  }

  async #signal(kind, data, retry = true) {
    if (!this.#client.canSend) return; // resync() makes up for it
    try {
      await this.#client.send(this.peer, kind, { ...data, link: this.id, to: this.remoteId }, { room: this.room });
    } catch (e) {
      if (['timeout', 'disconnected', 'closed'].includes(e.code)) return; // so it does for this
      if (e.code !== 'rate_limited' || !retry) return this.#fail(e);
      await wait((e.retryAfter ?? 1) * 1000);
      return this.#signal(kind, data, false);
    }
  }

  async #handle(kind, data) {
    const { pc } = this;
    if (kind === 'candidate' || kind === 'end') {
      return this.#addCandidate(kind === 'end' ? undefined : data);
    }
    if (kind === 'answer') {
      // Not for the offer in flight: late, twice, or to one that was rolled back.
      if (pc.signalingState !== 'have-local-offer' || (data.n !== undefined && data.n !== this.#round)) return;
    } else {
      if (data.link && this.remoteId && data.link !== this.remoteId) { // the peer started afresh, e.g. after a reload
        return this.#yield(kind, data);
      }
      if (data.n !== undefined && data.link === this.remoteId && data.n === this.#answered) {
        if (pc.localDescription.type === 'answer') this.#describe(data.n); // a repetition: the answer may be lost
        return;
      }
      this.#ignoreOffer = !this.polite && (this.#makingOffer || pc.signalingState !== 'stable');
      if (this.#ignoreOffer) {
        if (data.to === undefined) this.#repeatOffer(); // that link may not have seen this side's offer
        return;
      }
    }
    const collided = this.#makingOffer || (kind === 'offer' && pc.signalingState !== 'stable');
    try {
      await pc.setRemoteDescription({ type: kind, sdp: data.sdp });
      this.remoteId = data.link;
      for (const early of this.#early.splice(0)) await this.#addCandidate(early);
      if (kind !== 'offer') return;
      await pc.setLocalDescription();
    } catch (e) {
      // Chromium cannot start SCTP once a first offer was rolled back.
      if (this.closed || !collided || pc.currentRemoteDescription) throw e;
      return this.#yield(kind, data);
    }
    this.#answered = data.n;
    this.#describe(data.n);
  }

  // Lets a fresh link take this message and all that follow.
  #yield(kind, data) {
    this.close('replaced');
    this.#successor = this.#client.call(this.peer, this.room);
    this.#successor.receive(kind, data);
  }

  async #addCandidate(candidate) {
    try {
      if (!this.pc.remoteDescription) throw new Error('early');
      const { candidate: line, sdpMid, sdpMLineIndex, usernameFragment } = candidate ?? {};
      await this.pc.addIceCandidate(candidate && { candidate: line, sdpMid, sdpMLineIndex, usernameFragment });
    } catch {
      // Of a description that is still to come; of an offer that is being ignored, it is of no use.
      if (!this.#ignoreOffer) this.#early = [...this.#early, candidate].slice(-MAX_EARLY);
    }
  }

  async diagnose() {
    const report = [...(await this.pc.getStats()).values()];
    const count = (type) => {
      const kinds = report.filter((s) => s.type === type).map((s) => [s.candidateType, s.relayProtocol ?? s.protocol].join('/'));
      return [...new Set(kinds)].map((k) => `${kinds.filter((x) => x === k).length} ${k}`).join(', ') || 'none';
    };
    const { path, protocol, rtt, local, remote, state } = await this.stats();
    const show = (c) => (c ? `${c.candidateType} ${c.address ?? ''}:${c.port ?? ''}` : '?');
    const lines = [`link to ${this.peer}${this.room === undefined ? '' : ` in ${this.room}`}: ${state}, ICE ${this.pc.iceConnectionState}`,
      `  candidates here: ${count('local-candidate')}; there: ${count('remote-candidate')}`];
    if (path) lines.push(`  path: ${path} over ${protocol}, ${show(local)} to ${show(remote)}${rtt === undefined ? '' : `, ${Math.round(rtt)} ms`}`);
    else if (!report.some((s) => s.type === 'remote-candidate')) lines.push('  the peer has sent no candidate: does it get the messages?');
    else if (!report.some((s) => s.type === 'local-candidate' && s.candidateType === 'relay')) lines.push('  no path, and no relay candidate here: is TURN reachable, and the credential good?');
    else lines.push('  no path yet, though there is a relay candidate: does the relay reach the peer?');
    return [...lines, ...this.#notes];
  }

  async stats() {
    const report = await this.pc.getStats();
    const all = [...report.values()];
    const transport = all.find((s) => s.type === 'transport');
    const pair = report.get(transport?.selectedCandidatePairId)
      ?? all.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    const sum = (type, key) => all.reduce((n, s) => n + (s.type === type && s[key] > 0 ? s[key] : 0), 0);
    const bytes = transport?.bytesSent === undefined ? pair : transport;
    const now = {
      at: performance.now(), sent: bytes?.bytesSent ?? 0, received: bytes?.bytesReceived ?? 0,
      lost: sum('inbound-rtp', 'packetsLost'), got: sum('inbound-rtp', 'packetsReceived'),
    };
    const before = this.#last ?? now;
    this.#last = now;
    const seconds = (now.at - before.at) / 1000;
    const rate = (key) => (seconds > 0 ? Math.max(0, ((now[key] - before[key]) * 8) / seconds) : 0);
    const lost = Math.max(0, now.lost - before.lost), total = lost + Math.max(0, now.got - before.got);
    const outbound = all.filter((s) => s.type === 'remote-inbound-rtp' && s.fractionLost >= 0);
    const local = report.get(pair?.localCandidateId), remote = report.get(pair?.remoteCandidateId);
    return {
      state: this.pc.connectionState,
      path: !pair ? undefined : [local, remote].some((c) => c?.candidateType === 'relay') ? 'relay' : 'direct',
      protocol: local?.relayProtocol ?? local?.protocol,
      local, remote,
      rtt: pair?.currentRoundTripTime === undefined ? undefined : pair.currentRoundTripTime * 1000,
      bitrateOut: rate('sent'), bitrateIn: rate('received'),
      lossIn: total ? lost / total : 0,
      lossOut: outbound.length ? Math.max(...outbound.map((s) => s.fractionLost)) : 0,
    };
  }
}
