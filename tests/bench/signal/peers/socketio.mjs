// SPDX-License-Identifier: Apache-2.0
// The simple signal server on socket.io that people run today: ready, message and messageOne. With rooms (auth.room), since
// without them every newcomer would be told to all ten thousand.
import { load, listen } from './listen.mjs';

const { Server } = load('socket.io');
const io = new Server(listen(), { perMessageDeflate: false, httpCompression: false, cors: { origin: '*' } });
const rooms = new Map();

io.on('connection', (socket) => {
  const name = socket.handshake.auth.room ?? 'default';
  const room = rooms.get(name) ?? new Map();
  rooms.set(name, room);
  socket.join(name);
  socket.on('ready', (peerId, peerType) => {
    const connections = [...room.values()].map(({ about }) => about);
    const about = { socketId: socket.id, peerId, peerType };
    room.set(peerId, { socket, about });
    socket.data.peerId = peerId;
    socket.emit('message', { from: 'all', target: peerId, payload: { action: 'open', connections, bePolite: false } });
    socket.to(name).emit('message', {
      from: peerId,
      target: 'all',
      payload: { action: 'open', connections: [about], bePolite: true },
    });
  });
  socket.on('message', (message) => socket.to(name).emit('message', message));
  socket.on('messageOne', (message) => room.get(message.target)?.socket.emit('message', message));
  socket.on('disconnect', () => {
    const { peerId } = socket.data;
    if (room.get(peerId)?.socket !== socket) return;
    room.delete(peerId);
    if (room.size === 0) rooms.delete(name);
    socket.to(name).emit('message', {
      from: peerId,
      target: 'all',
      payload: { action: 'close', message: 'Peer has left the signaling server' },
    });
  });
});
