// SPDX-License-Identifier: Apache-2.0
// Chromium calls the example of aiortc for run_aiortc_example: each line on stdout is "ok NAME" or "FAIL NAME: detail".
// Arguments: a JSON object, see run_aiortc_example.
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

/** In the page: calls with camera and a data channel; what came back. */
async function call({ token, room, peer }) {
  const { connect } = await import('/client/turnstone.js');
  const client = connect({ token });
  const within = (promise, ms) => Promise.race([promise, new Promise((done) => setTimeout(done, ms))]);
  await client.join(room);
  const link = client.call(peer, room);
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true });
  document.body.append(video);
  link.on('track', ({ track }) => { if (track.kind === 'video') video.srcObject = new MediaStream([track]); });
  const channel = link.channel('echo');
  const echo = new Promise((done) => {
    channel.onopen = () => channel.send('from the browser');
    channel.onmessage = ({ data }) => done(data);
  });
  await link.publish(await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240 } }));
  const text = await within(echo, 20_000);
  for (let i = 0; i < 100 && !(video.videoWidth && video.currentTime > 0.5); i++) await new Promise((done) => setTimeout(done, 200));
  const report = await client.diagnose();
  const seen = { text, width: video.videoWidth, time: video.currentTime, report };
  client.close();
  return seen;
}

const context = await chromium.launchPersistentContext(mkdtempSync(join(options.folder, 'profile-')), {
  executablePath: options.chromium, args: FLAGS, headless: true, permissions: ['camera', 'microphone'],
});
try {
  const page = await context.newPage();
  await page.goto(options.url);
  const seen = await page.evaluate(call, options).catch((error) => ({ report: error.message }));
  check('Chromium: the data channel gives back', seen.text === 'from the browser', JSON.stringify(seen));
  check('Chromium: its picture comes back', seen.width > 0 && seen.time > 0.5, JSON.stringify(seen));
  check('Chromium: diagnose() tells the path', /path: (direct|relay) over/.test(seen.report), seen.report);
} finally {
  await context.close();
}
process.exit(failed === 0 ? 0 : 1);
