// SPDX-License-Identifier: Apache-2.0
// The client's folder is a package that can be published.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const folder = new URL('../../src/web/client/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');

test('the package names files that are there, and the version of the server', () => {
  const about = JSON.parse(read('package.json'));
  for (const name of [...about.files, about.main, about.types]) assert.ok(existsSync(new URL(name, folder)), name);
  const cmake = readFileSync(new URL('../../CMakeLists.txt', import.meta.url), 'utf8');
  assert.equal(about.version, /project\(turnstone VERSION ([\d.]+)/.exec(cmake)[1]);
});

test('the client stays small, with the fallback too', () => {
  const bytes = ['turnstone.js', 'events.js'].map((name) => gzipSync(read(name), { level: 9 }).length);
  assert.ok(bytes[0] < 11 * 1024 && bytes[0] + bytes[1] < 12 * 1024, bytes.join(' + '));
});

test('what is published is the sources, their types, the licence and a readme whose links lead somewhere', (t) => {
  if (spawnSync('npm', ['--version']).status !== 0) return t.skip('npm is not installed');
  const out = mkdtempSync(join(tmpdir(), 'ts-client-package-'));
  try {
    const made = spawnSync(fileURLToPath(new URL('../../deploy/client-package', import.meta.url)), [out], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'], { cwd: out, encoding: 'utf8' });
    assert.equal(packed.status, 0, packed.stderr);
    const [about] = JSON.parse(packed.stdout);
    assert.deepEqual(about.files.map((file) => file.path).sort(),
      ['LICENSE', 'README.md', 'events.js', 'package.json', 'turnstone.d.ts', 'turnstone.js']);
    for (const name of ['events.js', 'turnstone.js', 'turnstone.d.ts']) {
      assert.equal(readFileSync(join(out, name), 'utf8'), read(name), name);
    }
    assert.equal(readFileSync(join(out, 'LICENSE'), 'utf8'), readFileSync(new URL('../../LICENSE', import.meta.url), 'utf8'));
    assert.doesNotMatch(readFileSync(join(out, 'README.md'), 'utf8'), /\]\((?!https?:)/);
  } finally {
    rmSync(out, { recursive: true });
  }
});

test('every event of the types is one of the code', () => {
  const events = /interface ClientEvents \{([^}]*(?:\{[^}]*\}[^}]*)*)\n\}/.exec(read('turnstone.d.ts'))[1];
  const code = read('turnstone.js');
  for (const [, name] of events.matchAll(/^ {2}'?([a-z-]+)'?:/gm)) assert.ok(code.includes(`'${name}'`), name);
});
