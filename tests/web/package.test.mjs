// SPDX-License-Identifier: Apache-2.0
// The client's folder is a package that can be published.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const folder = new URL('../../src/web/client/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');

test('the package names files that are there, and the version of the server', () => {
  const about = JSON.parse(read('package.json'));
  for (const name of [...about.files, about.main, about.types]) assert.ok(existsSync(new URL(name, folder)), name);
  const cmake = readFileSync(new URL('../../CMakeLists.txt', import.meta.url), 'utf8');
  assert.equal(about.version, /project\(turnstone VERSION ([\d.]+)/.exec(cmake)[1]);
});

test('the client stays small', () => {
  assert.ok(gzipSync(read('turnstone.js')).length < 12 * 1024);
});

test('every event of the types is one of the code', () => {
  const events = /interface ClientEvents \{([^}]*(?:\{[^}]*\}[^}]*)*)\n\}/.exec(read('turnstone.d.ts'))[1];
  const code = read('turnstone.js');
  for (const [, name] of events.matchAll(/^ {2}'?([a-z-]+)'?:/gm)) assert.ok(code.includes(`'${name}'`), name);
});
