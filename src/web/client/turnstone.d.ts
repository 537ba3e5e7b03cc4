// SPDX-License-Identifier: Apache-2.0

export type Meta = unknown;
export type Kind = 'offer' | 'answer' | 'candidate' | 'end' | 'custom';
export type State = 'connecting' | 'open' | 'reconnecting' | 'closed';

export interface Peer {
  peer: string;
  meta?: Meta;
  /** What this side is towards that peer in perfect negotiation. */
  polite: boolean;
  /** Its connection was lost, and it may resume. */
  lost?: boolean;
}

export interface RoomOptions {
  /** Members at a time; 0: as many as the server allows. */
  size?: number;
  /** Nobody may join who is not in the room. */
  locked?: boolean;
  meta?: Meta;
}

export interface ConnectOptions {
  /** Default: `/v1/ws` on the host of the page. */
  url?: string | URL;
  /** A function is asked again at every reconnect. */
  token?: string | (() => string | Promise<string>);
  /**
   * How messages travel. `auto` (default): a WebSocket, and where those die before the welcome, or do not open within six
   * seconds, events and POSTs (`/v1/events`, beside the URL's path), then for as long as the page lives.
   */
  transport?: 'auto' | 'websocket' | 'events';
  /** Wanted peer id; the server chooses one if it is missing. */
  peer?: string;
  meta?: Meta;
  /** Extra options for every RTCPeerConnection; `iceServers` come from the server. */
  rtcConfig?: RTCConfiguration;
  /** Decides about an offer of a peer without a link. Default: room-mates only. */
  accept?: (offer: { peer: string; room?: string }) => boolean;
}

export class SignalError extends Error {
  /** A code of the protocol, or `timeout`, `disconnected`, `closed`. */
  code: string;
  /** Seconds. */
  retryAfter?: number;
}

export interface ClientEvents {
  state: { state: State; code?: number; reason?: string; delay?: number; error?: Error };
  joined: { room: string; peers: Peer[]; options?: RoomOptions; rejoined: boolean };
  /** A room could not be joined again after a reconnect. */
  left: { room: string; error: SignalError };
  'peer-joined': Peer & { room: string };
  'peer-left': { room: string; peer: string; reason: string };
  /** It had been lost, and is back. */
  'peer-resumed': { room: string; peer: string };
  'room-updated': RoomOptions & { room: string };
  'peer-updated': { room: string; peer: string; meta?: Meta };
  msg: { room?: string; from: string; kind: Kind; data: unknown };
  /** A new link, by `call()` or by an incoming offer: add tracks and channels here. */
  link: PeerLink;
  /** With `room`: what that room adds. */
  ice: { servers: RTCIceServer[]; ttl?: number; room?: string };
  expired: { to: string };
  /** With `room`: out of that room only. */
  kicked: { code: string; reason: string; room?: string };
  goaway: { retryAfter?: number };
  /** An error of the server that answers no request. */
  error: SignalError;
}

export interface LinkEvents {
  state: RTCPeerConnectionState;
  track: { track: MediaStreamTrack; streams: readonly MediaStream[] };
  channel: RTCDataChannel;
  error: Error;
  /** `closed` here, `bye` or `left` by the peer, `replaced`, `stale`, `lost`, `identity`. */
  close: string;
}

declare class Emitter<Events> {
  /** Returns the function that removes the listener. */
  on<K extends keyof Events>(type: K, handler: (event: Events[K]) => void): () => void;
  off<K extends keyof Events>(type: K, handler: (event: Events[K]) => void): void;
}

export class Client extends Emitter<ClientEvents> {
  constructor(options?: ConnectOptions);
  readonly url: string;
  readonly state: State;
  readonly peer?: string;
  readonly iceServers: RTCIceServer[];
  /** For an RTCPeerConnection, with the current ICE servers. */
  readonly rtcConfig: RTCConfiguration;
  /** The same for a room: with TURN credentials of its own, if it has any. */
  rtcConfigOf(room?: string): RTCConfiguration;
  readonly features: string[];
  readonly limits: Record<string, unknown>;
  readonly rooms: Map<string, Map<string, Peer>>;
  /** The live ones. */
  readonly links: PeerLink[];
  ready(ms?: number): Promise<this>;
  /** Whoever makes the room sets its options. */
  join(room: string, meta?: Meta, options?: RoomOptions): Promise<Peer[]>;
  configureRoom(room: string, options: RoomOptions): Promise<unknown>;
  /** Removes a peer from a room. */
  kick(room: string, peer: string, reason?: string): Promise<unknown>;
  /** Keeps a peer out of a room for so many seconds; 0: no longer. */
  ban(room: string, peer: string, seconds: number, reason?: string): Promise<unknown>;
  /** Closes the links of the room, too. */
  leave(room: string): Promise<void>;
  /** To a peer, to a list of peers or to `*`. */
  send(to: string | string[], kind: Kind, data: unknown, options?: { room?: string; queue?: number }):
    Promise<{ delivered?: number; queued?: number }>;
  /** Changes the own meta, in a room or everywhere. */
  update(meta: Meta, room?: string): Promise<unknown>;
  list(room: string): Promise<Peer[]>;
  /** Fetches fresh ICE servers now. */
  ice(): Promise<RTCIceServer[]>;
  configure(rtcConfig: RTCConfiguration): void;
  /** `room` defaults to the first one that both are in. */
  call(peer: string, room?: string): PeerLink;
  isPolite(peer: string, room?: string): boolean;
  /** What is going on, in words: states, candidates, the path of each link, and what went wrong. */
  diagnose(): Promise<string>;
  /** Ends the session and all links. */
  close(): void;
}

export interface LinkStats {
  state: RTCPeerConnectionState;
  path?: 'relay' | 'direct';
  /** Towards the relay for a relayed path (`udp`, `tcp`, `tls`), else of the candidate. */
  protocol?: string;
  local?: RTCIceCandidate;
  remote?: RTCIceCandidate;
  /** Milliseconds. */
  rtt?: number;
  /** Bits per second since the call before. */
  bitrateIn: number;
  bitrateOut: number;
  /** 0 … 1 */
  lossIn: number;
  lossOut: number;
}

export class PeerLink extends Emitter<LinkEvents> {
  readonly id: string;
  readonly peer: string;
  readonly room?: string;
  readonly remoteId?: string;
  readonly closed: boolean;
  readonly polite: boolean;
  readonly pc: RTCPeerConnection;
  publish(stream: MediaStream | null): Promise<void>;
  channel(label: string, options?: RTCDataChannelInit): RTCDataChannel;
  /** Gathers again and looks for a new path. */
  restart(): void;
  stats(): Promise<LinkStats>;
  /** Lines for `Client.diagnose()`. */
  diagnose(): Promise<string[]>;
  /** Ends the call and tells the peer. */
  close(): void;
}

export function connect(options?: ConnectOptions): Client;
