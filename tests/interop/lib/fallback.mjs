// SPDX-License-Identifier: Apache-2.0
// Drives two Chromium pages for run_fallback: each line on stdout is "ok NAME" or "FAIL NAME: detail". Arguments: a JSON
// object, see run_fallback.
import { createRequire } from 'node:module';
import { mkdtempSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { join } from 'node:path';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(join(options.modules, 'x.js'))('playwright-core');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-features=WebRtcHideLocalIpsWithMdns'];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let failed = 0;
const check = (name, good, detail = '') => {
  if (!good) failed++;
  console.log(good ? `ok ${options.mode}: ${name}` : `FAIL ${options.mode}: ${name}: ${String(detail).replaceAll('\n', ' ').slice(0, 800)}`);
};

async function until(ask, ms = 30_000) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer || Date.now() > end) return answer;
    await sleep(200);
  }
}

/** In the page: enters the room and calls whoever is there. */
async function enter({ token, name }) {
  const { connect } = await import('/client/turnstone.js');
  const state = window.interop = { got: [], heard: [], states: [] };
  const client = state.client = connect({ token, peer: name });
  client.on('state', (e) => state.states.push(e.state));
  client.on('msg', ({ kind, data }) => { if (kind === 'custom' && typeof data === 'string') state.heard.push(data); });
  client.on('link', (link) => {
    state.link = link;
    const channel = state.channel = link.channel('interop', { id: 7 });
    channel.onopen = () => channel.send(name);
    channel.onmessage = ({ data }) => state.got.push(data);
  });
  await client.ready(30_000);
  for (const { peer } of await client.join('r')) client.call(peer, 'r');
  return client.peer;
}

const context = await chromium.launchPersistentContext(mkdtempSync(join(options.folder, 'profile-')), {
  executablePath: options.chromium, args: FLAGS, headless: true,
});
try {
  const pages = [];
  for (const name of ['ada', 'bob']) {
    const page = await context.newPage();
    await page.goto(options.url);
    const peer = await page.evaluate(enter, { token: options.token, name }).catch((error) => error.message);
    check(`${name} is let in`, peer === name, peer);
    pages.push(page);
  }
  const got = () => Promise.all(pages.map((page) => page.evaluate(() => window.interop.got[0])));
  await until(async () => (await got()).every(Boolean));
  check('the call connects', JSON.stringify(await got()) === '["bob","ada"]', JSON.stringify(await got()));
  const report = await pages[0].evaluate(() => window.interop.client.diagnose());
  check('diagnose() says how signaling goes', report.includes('events and POSTs'), report);

  const cut = dial(options.cut, '127.0.0.1');
  await until(() => pages[0].evaluate(() => window.interop.states.includes('reconnecting')));
  cut.on('error', () => {}).end('x');
  const back = await until(async () => (await Promise.all(pages.map((page) =>
    page.evaluate(() => window.interop.states.includes('reconnecting') && window.interop.client.state === 'open')))).every(Boolean));
  check('both come back when their connections are cut', back,
    JSON.stringify(await Promise.all(pages.map((page) => page.evaluate(() => window.interop.states)))));
  await pages[1].evaluate(() => Promise.all(Array.from({ length: 100 }, (_, i) => window.interop.client.send('ada', 'custom', String(i), { room: 'r' }))))
    .catch((error) => check('messages are taken', false, error.message));
  const all = JSON.stringify(Array.from({ length: 100 }, (_, i) => String(i)));
  const heard = () => pages[0].evaluate(() => JSON.stringify(window.interop.heard));
  await until(async () => await heard() === all, 10_000);
  check('100 messages in their order', await heard() === all, await heard());

  const left = pages[0].evaluate(() => new Promise((done) => { window.interop.client.on('peer-left', ({ reason }) => done(reason)); }));
  await pages[1].goto('about:blank');
  check('a page that goes has left at once', await Promise.race([left, sleep(5_000)]) === 'left');
} finally {
  await context.close();
}
process.exit(failed === 0 ? 0 : 1);
