// SPDX-License-Identifier: Apache-2.0
// Unmodified socket.io-client whose requests each go to another node: node balanced.mjs URL TOKEN. Packages come from
// NODE_PATH. One line a check, as the other tests.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [url, token] = process.argv.slice(2);
const transports = { polling: ["polling"], upgrade: ["polling", "websocket"] };
const count = 4; // peers, so that every node has one
let failed = 0;

function check(name, good, detail = "") {
  if (!good) failed++;
  console.log(`${good ? "ok  " : "FAIL"} ${name}${good ? "" : `: ${detail}`}`);
}

async function until(what, condition, ms = 10000) {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`no ${what} within ${ms} ms`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

class Peer {
  constructor(io, how, name) {
    this.name = name;
    this.messages = [];
    this.ends = [];
    this.socket = io(url, { auth: { token }, transports: transports[how], forceNew: true, reconnection: false });
    this.socket.on("message", (message) => this.messages.push(message));
    this.socket.on("connect_error", (error) => this.ends.push(error.message));
    this.socket.on("disconnect", (why) => this.ends.push(why));
  }
  from(name) {
    return this.messages.filter((m) => m.from === name && m.payload?.action === undefined);
  }
}

async function talk(label, io, how) {
  const peers = Array.from({ length: count }, (_, i) => new Peer(io, how, `${label.replaceAll(" ", "-")}-${i}`));
  try {
    await until("connection", () => peers.every((p) => p.socket.connected));
    check(`${label}: all are connected`, true);
    for (const peer of peers) {
      peer.socket.emit("ready", peer.name);
      // The nodes tell one another in their time; the next one is to find this one there.
      await until("list", () => peer.messages.some((m) => m.target === peer.name && m.payload?.action === "open"));
      await new Promise((done) => setTimeout(done, 200));
    }
    const last = peers[count - 1];
    const list = last.messages.find((m) => m.target === last.name).payload.connections.map((c) => c.peerId);
    check(`${label}: the last one sees all others`, peers.slice(0, -1).every((p) => list.includes(p.name)), JSON.stringify(list));
    if (how === "upgrade") {
      await until("upgrade", () => peers.every((p) => p.socket.io.engine.transport.name === "websocket"));
      check(`${label}: all have upgraded`, true);
    }
    for (let i = 0; i < 50; i++) {
      for (const peer of peers) peer.socket.emit("message", { from: peer.name, target: "all", payload: { i } });
    }
    await until("message of everybody", () => peers.every((p) => peers.every((q) => p === q || p.from(q.name).length === 50)));
    const ordered = peers.every((p) => peers.every((q) => p === q || p.from(q.name).every((m, i) => m.payload.i === i)));
    check(`${label}: ${50 * count * (count - 1)} messages arrive, once and in order`, ordered);
    const large = "x".repeat(50000);
    peers[0].socket.emit("messageOne", { from: peers[0].name, target: last.name, payload: { large } });
    await until("large message", () => last.messages.some((m) => m.payload?.large === large));
    check(`${label}: a large message arrives whole`, true);
    await new Promise((done) => setTimeout(done, 3000)); // heartbeats go the same ways
    check(`${label}: nobody was lost`, peers.every((p) => p.socket.connected && p.ends.length === 0), JSON.stringify(peers.map((p) => p.ends)));
    last.socket.close();
    await until("leaving", () => peers.slice(0, -1).every((p) => p.messages.some((m) => m.from === last.name && m.payload?.action === "close")));
    check(`${label}: leaving is told`, true);
  } catch (error) {
    check(`${label}: talk`, false, `${error.message} ${JSON.stringify(peers.map((p) => p.ends))}`);
  } finally {
    for (const peer of peers) peer.socket.close();
  }
}

for (const version of ["4.0", "4.8"]) {
  const { io } = require(`socket.io-client-${version}`);
  for (const how of Object.keys(transports)) await talk(`socket.io-client ${version}, ${how}`, io, how);
}
await new Promise((done) => setTimeout(done, 1000));
process.exit(failed === 0 ? 0 : 1);
