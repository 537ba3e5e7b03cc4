// SPDX-License-Identifier: Apache-2.0
// What the servers of this folder share: packages from NODE_MODULES, an HTTP or HTTPS server, and where it listens.
// SERVER.mjs HOST PORT [CERT KEY]
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import path from 'node:path';

/** A package of the folder that NODE_MODULES names. */
export const load = createRequire(path.join(process.env.NODE_MODULES ?? '.', 'x.cjs'));

const [host, port, cert, key] = process.argv.slice(2);
export const where = { host, port: Number(port) };
export const tls = cert ? { cert: readFileSync(cert), key: readFileSync(key) } : null;

/** An HTTP(S) server that is listening soon. */
export function listen(handler) {
  const server = tls ? https.createServer(tls, handler) : http.createServer(handler);
  server.keepAliveTimeout = 120_000;
  return server.listen({ ...where, backlog: 4096 });
}
