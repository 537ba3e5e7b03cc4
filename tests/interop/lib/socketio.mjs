// SPDX-License-Identifier: Apache-2.0
// Unmodified socket.io-client of several versions on each transport, as clients of the simple signal server use
// it: node socketio.mjs URL TOKEN. Packages come from NODE_PATH. One line a check, as the other tests.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [url, token] = process.argv.slice(2);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
let failed = 0;
let number = 0;

function check(name, good, detail = "") {
  if (!good) failed++;
  console.log(`${good ? "ok  " : "FAIL"} ${name}${good ? "" : `: ${detail}`}`);
}

function within(promise, what, ms = 5000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/// A client that keeps what it hears.
class Peer {
  constructor(io, how, auth = { token }) {
    this.heard = [];
    this.waiting = [];
    this.socket = io(url, { auth, transports: transports[how], forceNew: true, reconnectionDelay: 100 });
    for (const name of ["message", "messageError", "uniquenessError", "connect_error", "disconnect"]) {
      this.socket.on(name, (value) => {
        this.heard.push([name, value]);
        for (const wake of this.waiting.splice(0)) wake();
      });
    }
  }
  connected() {
    if (this.socket.connected) return Promise.resolve();
    return within(new Promise((resolve) => this.socket.once("connect", resolve)), "connect");
  }
  /// The next thing heard for which `fits` holds; what came before it is forgotten.
  async next(what, fits) {
    const find = async () => {
      for (;;) {
        const at = this.heard.findIndex(([name, value]) => fits(name, value));
        if (at >= 0) return this.heard.splice(0, at + 1)[at][1];
        await new Promise((resolve) => this.waiting.push(resolve));
      }
    };
    return within(find(), what);
  }
  message(what, fits) {
    return this.next(what, (name, value) => name === "message" && fits(value));
  }
  close() {
    this.socket.close();
  }
}

async function talk(label, io, how) {
  const ids = ["a", "b"].map((name) => `${name}${++number}-${label}`);
  const a = new Peer(io, how);
  const b = new Peer(io, how);
  try {
    b.socket.emit("message", { early: ids[1] }); // buffered until the connection is there
    await Promise.all([a.connected(), b.connected()]);
    a.socket.emit("ready", ids[0], "camera");
    const first = await a.message("own list", (m) => m.payload?.action === "open" && m.target === ids[0]);
    check(`${label}: the first one's list`, first.from === "all" && first.payload.bePolite === false);
    b.socket.emit("ready", ids[1]);
    const list = await b.message("list", (m) => m.target === ids[1]);
    const seen = list.payload.connections.find((c) => c.peerId === ids[0]);
    check(`${label}: the newcomer sees who is there`, seen?.peerType === "camera" && seen.socketId === a.socket.id, JSON.stringify(list));
    const told = await a.message("newcomer", (m) => m.from === ids[1] && m.payload?.action === "open");
    check(`${label}: the others are told`, told.payload.bePolite === true && told.payload.connections[0].socketId === b.socket.id);

    const text = { from: ids[0], target: "all", payload: { text: "héllo ✓ \u0000", list: [1, [null, { x: 1.5 }]] } };
    a.socket.emit("message", text);
    const got = await b.message("message", (m) => m.payload?.text !== undefined);
    check(`${label}: a message arrives as it was`, JSON.stringify(got) === JSON.stringify(text), JSON.stringify(got));
    a.socket.emit("messageOne", { target: ids[1], bytes: Buffer.from([1, 2, 250]), more: [Buffer.from("x")] });
    const binary = await b.message("attachments", (m) => m.bytes !== undefined);
    check(`${label}: attachments arrive`, Buffer.from(binary.bytes).equals(Buffer.from([1, 2, 250])) && Buffer.from(binary.more[0]).toString() === "x");
    for (let i = 0; i < 100; i++) a.socket.emit("messageOne", { target: ids[1], i });
    let ordered = true;
    for (let i = 0; i < 100; i++) ordered = (await b.message(`message ${i}`, (m) => m.i !== undefined)).i === i && ordered;
    check(`${label}: a hundred messages stay in order`, ordered);
    await within(new Promise((resolve) => a.socket.emit("messageOne", { target: ids[0], self: 1 }, resolve)), "acknowledgement");
    await a.message("own message", (m) => m.self === 1);
    check(`${label}: acknowledged, and to oneself`, true);
    a.socket.emit("messageOne", { target: "nobody" });
    const error = await a.next("messageError", (name) => name === "messageError");
    check(`${label}: an unknown target is told`, error.code === "unknown_target" && error.target === "nobody");
    if (how === "upgrade") check(`${label}: upgraded`, a.socket.io.engine.transport.name === "websocket");

    const c = new Peer(io, how);
    await c.connected();
    c.socket.emit("ready", ids[0]);
    const taken = await c.next("uniquenessError", (name) => name === "uniquenessError");
    const why = await c.next("disconnect", (name) => name === "disconnect");
    check(`${label}: a taken name is refused`, taken.message === taken.error && taken.message.startsWith(ids[0]) && why === "io server disconnect", why);
    c.close();

    b.close();
    const left = await a.message("leaving", (m) => m.from === ids[1] && m.payload?.action === "close");
    check(`${label}: leaving is told`, left.target === "all" && left.payload.message === "Peer has left the signaling server");
  } catch (error) {
    check(`${label}: talk`, false, error.message);
  } finally {
    a.close();
    b.close();
  }
}

async function refused(label, io, how) {
  const peer = new Peer(io, how, { token: "wrong" });
  try {
    const error = await peer.next("connect_error", (name) => name === "connect_error");
    check(`${label}: a wrong token is refused`, error.message === "Authentication error", error.message);
  } catch (error) {
    check(`${label}: a wrong token is refused`, false, error.message);
  } finally {
    peer.close();
  }
}

async function recovered(label, io, how) {
  const a = new Peer(io, how, { token, recovery: true });
  const b = new Peer(io, how);
  try {
    await Promise.all([a.connected(), b.connected()]);
    const id = a.socket.id;
    b.socket.emit("message", { seq: 1 });
    await a.message("first", (m) => m.seq === 1);
    a.socket.io.engine.close();
    await a.next("disconnect", (name) => name === "disconnect");
    b.socket.emit("message", { seq: 2 });
    await a.message("what was missed", (m) => m.seq === 2);
    check(`${label}: recovered`, a.socket.recovered === true && a.socket.id === id);
  } catch (error) {
    check(`${label}: recovered`, false, error.message);
  } finally {
    a.close();
    b.close();
  }
}

for (const version of ["4.0", "4.4", "4.8"]) {
  const { io } = require(`socket.io-client-${version}`);
  for (const how of Object.keys(transports)) {
    const label = `socket.io-client ${version}, ${how}`;
    await refused(label, io, how);
    await talk(label, io, how);
    if (version === "4.8") await recovered(label, io, how);
  }
}
// Whoever is cut off in the middle of an upgrade is missed at the next ping only: the last ones have a moment to say goodbye.
await new Promise((done) => setTimeout(done, 1500));
process.exit(failed === 0 ? 0 : 1);
