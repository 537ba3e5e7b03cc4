// SPDX-License-Identifier: Apache-2.0
// Drives the `peerjs` client in Chromium for run_peerjs: each line on stdout is "ok NAME" or "FAIL NAME: detail".
// Arguments: a JSON object, see run_peerjs.
import { createRequire } from 'node:module';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(join(options.modules, 'x.js'))('playwright-core');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--disable-features=WebRtcHideLocalIpsWithMdns', '--autoplay-policy=no-user-gesture-required'];
let failed = 0;
const check = (name, good, detail = '') => {
  if (!good) failed++;
  console.log(good ? `ok ${name}` : `FAIL ${name}: ${String(detail).replaceAll('\n', ' ').slice(0, 800)}`);
};

/** In the page: helpers over the client. */
function setUp({ port, token }) {
  const at = (more) => ({ host: '127.0.0.1', port, path: '/peerjs', key: token, config: { iceServers: [] }, ...more });
  const within = (promise, what, ms = 15_000) => Promise.race([promise,
    new Promise((_, no) => setTimeout(() => no(new Error(`${what}: nothing came`)), ms))]);
  const next = (emitter, event) => within(new Promise((yes, no) => {
    emitter.once(event, yes);
    if (event !== 'error') emitter.once('error', (error) => no(new Error(`${error.type}: ${error.message}`)));
  }), event);
  const make = async (id, more) => {
    const peer = id ? new Peer(id, at(more)) : new Peer(at(more));
    await next(peer, 'open');
    return peer;
  };
  window.lab = { at, next, make, within };
}

const steps = {
  async 'an id of the server, and a data connection both ways'() {
    const { make, next, within } = window.lab;
    const a = window.a = await make();
    const b = window.b = await make('interop-b');
    const incoming = next(b, 'connection');
    const out = a.connect('interop-b', { metadata: { é: 1 } });
    const there = await incoming;
    await Promise.all([next(out, 'open'), there.open ? 0 : next(there, 'open')]);
    const heard = [next(there, 'data'), next(out, 'data')];
    out.send({ to: 'b' });
    there.send('to a');
    const got = await within(Promise.all(heard), 'data');
    return a.id.length === 36 && there.metadata.é === 1 && got[0].to === 'b' && got[1] === 'to a';
  },
  async 'a call with picture and sound'() {
    const { next } = window.lab;
    const media = () => navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    window.b.once('call', async (call) => call.answer(await media()));
    const call = window.a.call('interop-b', await media());
    const stream = await next(call, 'stream');
    return stream.getTracks().length === 2;
  },
  async 'a taken id is refused'() {
    const { at, next } = window.lab;
    const error = await next(new Peer('interop-b', at()), 'error');
    return error.type === 'unavailable-id' || error.type;
  },
  async 'a wrong key is refused'() {
    const { at, next } = window.lab;
    const error = await next(new Peer('interop-c', at({ key: 'wrong' })), 'error');
    return (error.type === 'server-error' && error.message.includes('Invalid key')) || `${error.type} ${error.message}`;
  },
  async 'an absent peer is told of'() {
    const { next } = window.lab;
    const failure = next(window.a, 'error');
    window.a.connect('interop-nobody');
    const error = await failure;
    return error.type === 'peer-unavailable' || error.type;
  },
  async 'a connection that broke off is opened again'() {
    const { next, within } = window.lab;
    const gone = within(new Promise((yes) => window.a.once('disconnected', yes)), 'disconnected');
    window.a.once('error', () => {}); // it says that the network is gone
    window.a.socket._socket.close();
    await gone;
    const back = next(window.a, 'open');
    window.a.reconnect();
    return await back === window.a.id;
  },
  async 'and so is one whose end the server does not know of'() {
    const { make, at, next } = window.lab;
    const first = await make('interop-d', { token: 'same' });
    const second = new Peer('interop-d', at({ token: 'same' }));
    await next(second, 'open');
    const found = next(second, 'connection');
    window.b.connect('interop-d');
    await found;
    first.destroy();
    return true;
  },
};

const context = await chromium.launchPersistentContext(mkdtempSync(join(options.folder, 'profile-')), {
  executablePath: options.chromium, args: FLAGS, headless: true, permissions: ['camera', 'microphone'], bypassCSP: true,
});
try {
  const page = await context.newPage();
  await page.goto(options.url);
  await page.addScriptTag({ path: options.client });
  await page.evaluate(setUp, { port: options.port, token: options.token });
  for (const [name, step] of Object.entries(steps)) {
    const outcome = await page.evaluate(`(async () => (${String(step).replace(/^async '[^']*'/, 'async function')})())()`)
      .catch((error) => error.message);
    check(name, outcome === true, outcome);
  }
} finally {
  await context.close();
}
process.exit(failed === 0 ? 0 : 1);
