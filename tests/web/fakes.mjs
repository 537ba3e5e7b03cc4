// SPDX-License-Identifier: Apache-2.0
// Stand-ins for what a browser offers: a WebSocket whose server is the test, and an RTCPeerConnection with the
// state machine that perfect negotiation depends on.
import { mock } from 'node:test';
import { pathToFileURL } from 'node:url';

const file = process.env.TURNSTONE_JS;
const module = file ? pathToFileURL(file) : new URL('../../src/web/client/turnstone.js', import.meta.url);
export const { connect, SignalError } = await import(module);

/** Lets all promise reactions run; with mocked timers, the real setImmediate still works. */
export async function settle(turns = 60) {
  for (let i = 0; i < turns; i++) await Promise.resolve();
}

export async function tick(ms) {
  await settle();
  mock.timers.tick(ms);
  await settle();
}

export class FakeWebSocket {
  static all = [];
  static get last() { return this.all.at(-1); }

  readyState = 0;
  sent = [];
  closedWith;

  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    FakeWebSocket.all.push(this);
  }

  send(text) {
    if (this.readyState !== 1) throw new Error('not open');
    const message = JSON.parse(text);
    this.sent.push(message);
    this.onsend?.(message);
  }

  close(code) {
    this.closedWith ??= code ?? 1005;
    this.readyState = 3;
  }

  // What the server does.
  async open() {
    this.readyState = 1;
    this.onopen?.();
    await settle();
  }

  async say(message) {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
    await settle();
  }

  async drop(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code, reason: '' });
    await settle();
  }

  of(type) { return this.sent.filter((m) => m.t === type); }
  lastOf(type) { return this.of(type).at(-1); }

  async welcome(extra = {}) {
    await this.open();
    await this.say({
      t: 'welcome', v: 1, sid: 's1', key: 'k', peer: 'me', features: [], limits: {}, heartbeat: 20,
      ice: { servers: [{ urls: 'stun:one' }], ttl: 1000 }, ...extra,
    });
  }
}

let nextUfrag = 1;

/** Signalling state machine of JSEP, one operation at a time, with candidates tied to a description by ufrag. */
export class FakePeerConnection {
  static all = [];
  static rollbackBreaks = false; // like Chromium with a data channel in the first offer

  gate = null; // a promise that keeps setLocalDescription() busy
  signalingState = 'stable';
  iceConnectionState = 'new';
  connectionState = 'new';
  localDescription = null;
  remoteDescription = null;
  added = [];
  rejected = [];
  restarts = 0;
  rollbacks = 0;
  configurations = [];
  channels = [];
  stats = new Map();
  #chain = Promise.resolve();
  #needed = false;
  #stable = { local: null, remote: null };

  get currentRemoteDescription() { return this.#stable.remote; }

  constructor(configuration) {
    this.configuration = configuration;
    FakePeerConnection.all.push(this);
  }

  #run(operation) {
    const result = this.#chain.then(() => {
      if (this.signalingState === 'closed') throw new DOMException('closed', 'InvalidStateError');
      return operation();
    });
    this.#chain = result.catch(() => {}).then(() => this.#fireNeeded());
    return result;
  }

  #fireNeeded() {
    if (!this.#needed || this.signalingState !== 'stable') return;
    this.#needed = false;
    this.onnegotiationneeded?.();
  }

  async need() {
    this.#needed = true;
    await settle(8); // browsers queue a task for it
    this.#chain = this.#chain.then(() => this.#fireNeeded());
  }

  setConfiguration(configuration) {
    this.configuration = configuration;
    this.configurations.push(configuration);
  }

  createDataChannel(label, options) {
    const channel = { label, options };
    this.channels.push(channel);
    this.need();
    return channel;
  }

  addTrack(track) {
    this.need();
    return { track, replaceTrack: async (next) => { this.replaced = next; } };
  }

  restartIce() {
    this.restarts++;
    this.need();
  }

  setLocalDescription() {
    return this.#run(async () => {
      await this.gate;
      if (FakePeerConnection.rollbackBreaks && this.rollbacks && !this.currentRemoteDescription) {
        throw new DOMException('Failed to start SCTP transport', 'OperationError');
      }
      const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
      const ufrag = `u${nextUfrag++}`;
      this.localDescription = { type, sdp: ufrag };
      this.signalingState = type === 'offer' ? 'have-local-offer' : 'stable';
      if (type === 'answer') this.#stable = { local: this.localDescription, remote: this.remoteDescription };
      this.#gather(ufrag);
    });
  }

  async #gather(ufrag) {
    await settle(10); // browsers tell candidates after setLocalDescription() has resolved
    const candidate = { candidate: `candidate:${ufrag}`, sdpMid: '0', sdpMLineIndex: 0, usernameFragment: ufrag };
    this.onicecandidate?.({ candidate: { ...candidate, toJSON: () => candidate } });
    this.onicecandidate?.({ candidate: null });
  }

  setRemoteDescription(description) {
    return this.#run(() => {
      if (description.type === 'offer') {
        if (this.signalingState === 'have-local-offer') {
          this.rollbacks++;
          this.localDescription = this.#stable.local;
          this.#needed = true;
        }
        this.signalingState = 'have-remote-offer';
      } else {
        if (this.signalingState !== 'have-local-offer') throw new DOMException('no offer', 'InvalidStateError');
        this.signalingState = 'stable';
        this.#stable = { local: this.localDescription, remote: description };
      }
      this.remoteDescription = description;
    });
  }

  addIceCandidate(candidate) {
    return this.#run(() => {
      const known = this.remoteDescription && (!candidate || candidate.usernameFragment === this.remoteDescription.sdp);
      if (!known) {
        this.rejected.push(candidate?.usernameFragment);
        throw new DOMException('unknown ufrag', 'OperationError');
      }
      this.added.push(candidate ?? null);
    });
  }

  setIce(state) {
    this.iceConnectionState = state;
    this.oniceconnectionstatechange?.();
  }

  async getStats() { return this.stats; }

  close() {
    this.signalingState = 'closed';
    this.iceConnectionState = 'closed';
  }
}

/** Installs the fakes with frozen time; `random` makes the jitter predictable. */
export function install({ random = 0.5 } = {}) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  mock.method(Math, 'random', () => random);
  FakeWebSocket.all = [];
  FakePeerConnection.all = [];
  FakePeerConnection.rollbackBreaks = false;
  globalThis.WebSocket = FakeWebSocket;
  globalThis.RTCPeerConnection = FakePeerConnection;
}

export function uninstall() {
  mock.timers.reset();
  mock.restoreAll();
}
