// SPDX-License-Identifier: Apache-2.0
// PeerServer as it comes.
import { load, tls, where } from './listen.mjs';

const { PeerServer } = load('peer');
PeerServer({ ...where, path: '/peerjs', key: 'peerjs', concurrent_limit: 100_000, ...(tls ? { ssl: tls } : {}) });
