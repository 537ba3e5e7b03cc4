// SPDX-License-Identifier: Apache-2.0
// A home-made signaling server on ws, as short as people write them, with the words of Turnstone's native protocol: hello, join
// and send to one or all of a room. It parses each message and writes a new one with its sender. No authentication, no limits,
// no resume, no check of anything.
// FAULT=corrupt|drop|duplicate|swap|source does that to one message in a hundred: for tests of the load generator.
import { load, listen } from './listen.mjs';

const { WebSocketServer } = load('ws');
const fault = process.env.FAULT ?? '';
const rooms = new Map();
let count = 0;
let held = null;

function forward(receiver, message) {
  count += 1;
  if (fault === '' || count % 100 !== 0) {
    receiver.send(JSON.stringify(message));
    if (held?.receiver === receiver) {
      receiver.send(held.text);
      held = null;
    }
    return;
  }
  if (fault === 'drop') return;
  if (fault === 'swap') {
    // Overtaken by the next one to the same receiver.
    held = { receiver, text: JSON.stringify(message) };
    return;
  }
  if (fault === 'corrupt') message.data = message.data.slice(0, -1) + '#';
  if (fault === 'source') message.data = 'ffffffff' + message.data.slice(8);
  receiver.send(JSON.stringify(message));
  if (fault === 'duplicate') receiver.send(JSON.stringify(message));
}

function leave(socket) {
  const room = rooms.get(socket.room);
  if (!room || room.get(socket.peer) !== socket) return;
  room.delete(socket.peer);
  if (room.size === 0) rooms.delete(socket.room);
  for (const other of room.values()) other.send(JSON.stringify({ t: 'peer-left', room: socket.room, peer: socket.peer }));
}

const handlers = {
  hello(socket, { peer }) {
    socket.peer = peer;
    socket.send(JSON.stringify({ t: 'welcome', v: 1, peer }));
  },
  join(socket, { room: name }) {
    const room = rooms.get(name) ?? new Map();
    rooms.set(name, room);
    const peers = [...room.keys()];
    for (const other of room.values()) other.send(JSON.stringify({ t: 'peer-joined', room: name, peer: socket.peer }));
    room.set(socket.peer, socket);
    socket.room = name;
    socket.send(JSON.stringify({ t: 'joined', room: name, peers }));
  },
  send(socket, { room, to, kind, data }) {
    const receiver = rooms.get(room)?.get(to);
    if (receiver) forward(receiver, { t: 'msg', room, from: socket.peer, kind, data });
    else socket.send(JSON.stringify({ t: 'error', code: 'unknown_target' }));
  },
  ack() {},
};

const server = new WebSocketServer({
  server: listen(),
  path: '/v1/ws',
  perMessageDeflate: false,
  handleProtocols: () => 'signal.v1+json',
});
server.on('connection', (socket) => {
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    handlers[message.t]?.(socket, message);
  });
  socket.on('close', () => leave(socket));
});
