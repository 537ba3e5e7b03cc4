// SPDX-License-Identifier: Apache-2.0
// Drives Chromium for run_browser, run_closed and run_natlab: each line on stdout is "ok NAME", "FAIL NAME: detail", "skip NAME: why"
// or a note. Arguments: a JSON object, see run_browser.
import { createRequire } from 'node:module';
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(join(options.modules, 'x.js'))('playwright-core');

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--disable-features=WebRtcHideLocalIpsWithMdns', '--autoplay-policy=no-user-gesture-required'];
const WAIT = 25_000;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const check = (name, good, detail = '') => {
  console.log(good ? `ok ${name}` : `FAIL ${name}: ${String(detail).replaceAll('\n', ' ').slice(0, 800)}`);
  return good;
};

async function launch({ home = options.home, executablePath = options.chromium } = {}) {
  return chromium.launchPersistentContext(mkdtempSync(join(options.folder, 'profile-')), {
    executablePath, args: [...FLAGS, ...(options.flags ?? [])], headless: true,
    permissions: ['camera', 'microphone', 'clipboard-write'], env: { ...process.env, HOME: home },
    viewport: { width: 1200, height: 900 },
  });
}

/** Asks until the answer is true-ish; the last answer, whatever it is. */
async function until(ask, ms = WAIT) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer || Date.now() > end) return answer;
    await sleep(200);
  }
}

/** Waits until a condition holds in the page. Not waitForFunction, which the page's own policy against eval may stop. */
async function inPage(page, condition) {
  if (!await until(() => page.evaluate(condition).catch(() => false))) throw new Error(`never came true: ${condition}`);
}

async function openPage(context, name, errors) {
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(`${name}: ${error.message}`));
  await page.goto(options.url);
  return page;
}

/**
 * In the page: joins a room with the served client library, calls whoever is there, sends camera and messages.
 * `only` keeps the TURN URLs that contain it.
 */
async function startClient({ room, policy, only, token, media }) {
  const { connect } = await import('/client/turnstone.js');
  const state = window.interop = { got: [], errors: [], opened: 0, candidates: [] };
  const client = state.client = connect({ token, rtcConfig: { iceTransportPolicy: policy } });
  // In place: the client has a list of its own for each room.
  const keep = (servers) => {
    if (!only) return;
    const kept = servers.map((s) => ({ ...s, urls: [s.urls].flat().filter((url) => url.includes(only)) }));
    servers.splice(0, servers.length, ...kept.filter((s) => s.urls.length));
  };
  const stream = media ? await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240 } }) : null;
  client.on('ice', ({ servers }) => keep(servers));
  client.on('link', (link) => {
    state.link = link;
    link.pc.addEventListener('icecandidateerror', ({ url, errorCode, errorText }) => state.errors.push([url, errorCode, errorText]));
    link.pc.addEventListener('icecandidate', ({ candidate }) => candidate?.candidate && state.candidates.push(candidate.candidate));
    link.on('track', ({ track }) => {
      const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, srcObject: new MediaStream([track]) });
      document.body.append(video);
    });
    const channel = state.channel = link.channel('interop', { id: 7 });
    channel.onopen = () => { state.opened++; };
    channel.onmessage = ({ data }) => state.got.push(data);
    if (stream) link.publish(stream);
  });
  await client.ready(10_000);
  keep(client.iceServers);
  const peers = await client.join(room, { name: 'interop' });
  for (const { peer } of peers) client.call(peer, room);
  return { peer: client.peer, servers: client.iceServers.flatMap((s) => s.urls) };
}

/** In the page: the selected pair and the far side's video. */
async function look() {
  const { link, got, errors, candidates, channel } = window.interop;
  if (!link) return { state: 'no link' };
  const all = [...(await link.pc.getStats()).values()];
  const transport = all.find((s) => s.type === 'transport');
  const pair = all.find((s) => s.id === transport?.selectedCandidatePairId);
  const find = (id) => { const c = all.find((s) => s.id === id); return c && { type: c.candidateType, relay: c.relayProtocol, address: c.address }; };
  const video = all.find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
  return { state: link.pc.connectionState, channel: channel?.readyState, local: find(pair?.localCandidateId),
    remote: find(pair?.remoteCandidateId), decoded: video?.framesDecoded ?? 0,
    video: video && [video.packetsReceived, video.packetsLost, video.framesReceived, video.keyFramesDecoded, video.nackCount, video.pliCount],
    rtt: pair?.currentRoundTripTime, outgoing: pair?.availableOutgoingBitrate, got: got.length, errors, candidates };
}

async function closeClient(page) {
  await page.evaluate(() => window.interop?.client.close()).catch(() => {});
  await page.close();
}

/** Two pages meet through the client library; `during` is called with the pages and their room while they are connected. */
async function meet(contexts, label, { policy, only, expect, media = true, during }) {
  const errors = [];
  const pages = [];
  for (const [i, context] of contexts.entries()) pages.push(await openPage(context, `${label} ${i}`, errors));
  const room = `interop-${Date.now().toString(36)}`;
  const started = Date.now();
  try {
    for (const page of pages) {
      await page.evaluate(startClient, { room, policy, only, token: options.token, media });
    }
    const both = () => Promise.all(pages.map((page) => page.evaluate(look)));
    const up = await until(async () => (await both()).every((s) => s.state === 'connected' && s.channel === 'open'));
    const connected = Date.now() - started;
    let now = await both();
    if (!check(`${label}: connected`, up, JSON.stringify(now))) return now;
    console.log(`${label}: connected after ${connected} ms`);
    for (const [i, page] of pages.entries()) {
      await page.evaluate((i) => { for (let n = 0; n < 50; n++) window.interop.channel.send(`${i} ${n} ${'x'.repeat(500)}`); }, i);
    }
    await until(async () => (await both()).every((s) => s.got >= 50), 8000);
    now = await both();
    check(`${label}: 50 messages each way`, now.every((s) => s.got === 50), now.map((s) => s.got));
    const sides = now.map((s) => `${s.local?.type}${s.local?.relay ? `/${s.local.relay}` : ''}-${s.remote?.type}`);
    check(`${label}: the selected pair`, now.every(expect), sides.join(' and '));
    console.log(`${label}: pairs ${sides.join(' and ')}`);
    if (media) {
      const before = now.map((s) => s.decoded);
      const grown = await until(async () => (await both()).every((s, i) => s.decoded >= before[i] + 10), 15_000);
      check(`${label}: the far side decodes video`, grown, JSON.stringify((await both()).map((s) => [s.decoded, s.video, s.rtt, s.outgoing])));
    }
    await during?.(pages, room);
    return now;
  } catch (error) {
    check(`${label}: runs`, false, error.message);
    return undefined;
  } finally {
    check(`${label}: no error in the pages`, errors.length === 0, errors.join('; '));
    await Promise.all(pages.map(closeClient));
  }
}

/** The demo page by its own controls. */
async function demo(contexts) {
  const errors = [];
  const [one, two] = [await openPage(contexts[0], 'one', errors), await openPage(contexts[1], 'two', errors)];
  const at = (page, id) => page.getByTestId(id);
  const shoot = (page, name) => page.screenshot({ path: join(options.shots, `demo-${name}.png`), fullPage: true });
  try {
    await inPage(one, () => document.body.dataset.signal === 'open');
    check('demo: connects to the server', true);
    await at(one, 'check-run').click();
    await inPage(one, () => ['ok', 'partial', 'bad'].includes(window.turnstoneDemo.check.state));
    const result = await one.evaluate(() => window.turnstoneDemo.check);
    await shoot(one, 'check');
    check('demo: the check says that calls will work', result.verdict.level === 'ok', JSON.stringify(result));
    for (const route of result.routes.filter((r) => r.kind === 'turn')) {
      check(`demo: the check finds ${route.via} open`, route.state === 'ok', JSON.stringify(route));
    }
    check('demo: the verdict is shown', (await at(one, 'verdict-title').innerText()).length > 0);

    await at(one, 'name').fill('Ada');
    await at(one, 'join').click();
    await inPage(one, () => window.turnstoneDemo.meet.state === 'waiting');
    // What the room adds, and renewed credentials, are no news about the network.
    await one.evaluate(() => window.turnstoneDemo.client.ice());
    const kept = await one.evaluate(() => ({ ...window.turnstoneDemo.check,
      chips: [...document.querySelectorAll('[data-testid="route"] .chip')].map((chip) => chip.textContent) }));
    check('demo: what the check has found stays while one is in a room', kept.state === result.state
      && kept.chips.length === result.routes.length && kept.routes.every((r, i) => r.state === result.routes[i].state)
      && !kept.chips.includes('Not checked'), JSON.stringify(kept.chips));
    await shoot(one, 'waiting');
    const link = await at(one, 'share-link').inputValue();
    await two.goto(link);
    await two.reload();
    await at(two, 'name').fill('Grace <b>');
    await inPage(two, () => document.body.dataset.signal === 'open');
    await at(two, 'join').click();
    const calling = (page) => inPage(page, () => window.turnstoneDemo.meet.state === 'in-call');
    await Promise.all([calling(one), calling(two)]);
    check('demo: two people meet through the link', true);
    for (const page of [one, two]) {
      await inPage(page, () => document.querySelector('[data-testid="remote-video"]')?.videoWidth > 0);
    }
    check('demo: both see a picture', true);
    await at(one, 'chat-input').fill('hello <i>there</i>');
    await at(one, 'chat-send').click();
    const line = at(two, 'chat-remote').first();
    await line.waitFor({ timeout: WAIT });
    check('demo: chat arrives as text', (await line.innerText()).includes('hello <i>there</i>'), await line.innerText());
    await until(() => one.evaluate(() => window.turnstoneDemo.stats?.path));
    check('demo: the path is direct at first', await one.evaluate(() => window.turnstoneDemo.stats?.path) === 'direct',
      JSON.stringify(await one.evaluate(() => window.turnstoneDemo.stats)));
    await shoot(one, 'call-direct');

    await one.locator('.switch').click();
    const relayed = await until(() => one.evaluate(() => {
      const { stats, meet } = window.turnstoneDemo;
      return stats?.path === 'relay' && meet.state === 'in-call';
    }));
    check('demo: the relay switch moves the call to the relay', relayed,
      JSON.stringify(await one.evaluate(() => [window.turnstoneDemo.stats, window.turnstoneDemo.meet])));
    check('demo: the page says so', /relay/i.test(await at(one, 'path-title').innerText()), await at(one, 'path-title').innerText());
    const picture = await until(() => two.evaluate(() => [...document.querySelectorAll('[data-testid="remote-video"]')].some((v) => v.videoWidth > 0)));
    check('demo: the picture is there after the switch', picture);
    await sleep(2500);
    await shoot(one, 'call-relay');
    await one.locator('section', { has: at(one, 'leave') }).screenshot({ path: join(options.shots, 'demo-call.png') });
    await shoot(two, 'call-relay-other-side');
    await at(two, 'leave').click();
    await inPage(one, () => window.turnstoneDemo.meet.state === 'waiting');
    check('demo: leaving is seen by the other side', true);
  } catch (error) {
    await shoot(one, 'failed-one').catch(() => {});
    await shoot(two, 'failed-two').catch(() => {});
    check('demo: runs to its end', false, error.message);
  } finally {
    check('demo: no error in the pages', errors.length === 0, errors.join('; '));
    await Promise.all([one.close(), two.close()]);
  }
}

/** In the page: two connections by the relay alone that tell each other everything, and the server nothing. */
async function connectUnannounced(iceServers) {
  const pair = [0, 1].map(() => new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' }));
  const found = [0, 0];
  pair.forEach((pc, i) => {
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) found[i]++;
      pair[1 - i].addIceCandidate(candidate).catch(() => {});
    };
  });
  const channel = pair[0].createDataChannel('x');
  const open = new Promise((done) => { channel.onopen = () => done(true); setTimeout(done, 8000, false); });
  await pair[0].setLocalDescription();
  await pair[1].setRemoteDescription(pair[0].localDescription);
  await pair[1].setLocalDescription();
  await pair[0].setRemoteDescription(pair[1].localDescription);
  const out = { open: await open, found, states: pair.map((pc) => pc.iceConnectionState) };
  pair.forEach((pc) => pc.close());
  return out;
}

/** Has closed_probe.py see which addresses a credential reaches; prints its lines. */
function probe(label, { username, credential }, reached, shut) {
  const input = JSON.stringify({ label, port: options.port, username, credential, reached, shut });
  const { status, stdout, stderr } = spawnSync(options.probe[0], options.probe.slice(1), { input, encoding: 'utf8', timeout: 60_000 });
  process.stdout.write(stdout);
  check(`${label}: the probe ends well`, status === 0, stderr);
}

/** What a member may reach by a closed relay: while a room-mate is there, when it has left, and alone. */
async function closedRelay(contexts) {
  const turnOf = (servers) => servers.find((s) => s.username);
  const ice = async (page, room) => turnOf(await page.evaluate((room) => window.interop.client.rtcConfigOf(room).iceServers, room));
  const everywhere = [options.relay, ...options.nowhere];
  await meet(contexts, 'closed relay', { policy: 'relay', only: 'transport=udp', expect: relayOver('udp'), async during(pages, room) {
    const own = await ice(pages[0], room);
    const welcome = await ice(pages[0]);
    check('closed relay: the page has closed credentials', [own, welcome].every((s) => /[;:]closed=1/.test(s.username))
      && own.username !== welcome.username, JSON.stringify([own.username, welcome.username]));
    probe("a member's credential of the room", own, [options.relay], options.nowhere);
    probe("a member's credential of the welcome", welcome, [options.relay], options.nowhere);
    const stranger = await openPage(contexts[1], 'stranger', []);
    await stranger.evaluate(startClient, { room: `${room}-beside`, policy: 'all', token: options.token, media: false });
    probe('a member of another room', await ice(stranger, `${room}-beside`), [], everywhere);
    await closeClient(stranger);
    await pages[1].evaluate(() => window.interop.client.close());
    await until(() => pages[0].evaluate(() => window.interop.client.links.length === 0));
    probe('when the room-mate has left', own, [], everywhere);
  } });
  const page = await openPage(contexts[0], 'alone', []);
  await page.evaluate(startClient, { room: 'alone', policy: 'all', token: options.token, media: false });
  const alone = await page.evaluate(connectUnannounced, [await ice(page, 'alone')]);
  check('closed relay: connections that nobody has announced do not come about, though both have relay candidates',
    !alone.open && alone.found.every((n) => n > 0), JSON.stringify(alone));
  const free = await page.evaluate(connectUnannounced, [options.open]);
  check('a credential that is not closed: the same ones do', free.open, JSON.stringify(free));
  probe('a credential that is not closed', options.open, everywhere, []);
  await closeClient(page);
}

const relayOver = (protocol) => (s) => s.local?.type === 'relay' && s.local.relay === protocol;
const direct = (s) => s.local && s.local.type !== 'relay' && s.remote?.type !== 'relay';

const work = {
  async browser() {
    const contexts = [await launch(), await launch()];
    const stranger = await launch({ home: mkdtempSync(join(options.folder, 'empty-home-')) });
    try {
      await meet(contexts, 'direct', { policy: 'all', expect: direct });
      await meet(contexts, 'relay over udp', { policy: 'relay', only: 'transport=udp', expect: relayOver('udp') });
      await meet(contexts, 'relay over tcp', { policy: 'relay', only: options.tcp, expect: relayOver('tcp') });
      await meet(contexts, 'relay over tls', { policy: 'relay', only: 'turns:', expect: relayOver('tls') });
      await notConnected([stranger, stranger], 'relay over tls, CA not trusted', { policy: 'relay', only: 'turns:' });
      await demo(contexts);
    } finally {
      await Promise.all([...contexts, stranger].map((context) => context.close()));
    }
  },
  async closed() {
    const contexts = [await launch(), await launch()];
    try {
      await closedRelay(contexts);
    } finally {
      await Promise.all(contexts.map((context) => context.close()));
    }
  },
  /** Two clients behind NATs of their own. */
  async natlab() {
    const contexts = await Promise.all(options.browsers.map((executablePath) => launch({ executablePath })));
    const withoutRelay = { policy: 'all', only: 'stun:', expect: direct, media: false };
    const overStream = (s) => s.local?.type !== 'relay' || ['tcp', 'tls'].includes(s.local.relay);
    const relayed = (s) => s.local?.type === 'relay' || s.remote?.type === 'relay';
    try {
      if (options.scene === 'cone') {
        await meet(contexts, 'cone NATs without a relay', withoutRelay);
      } else if (options.scene === 'symmetric') {
        await notConnected(contexts, 'symmetric NATs without a relay', withoutRelay, 'srflx');
        await meet(contexts, 'symmetric NATs with the relay', { policy: 'all', expect: relayed });
      } else {
        await meet(contexts, 'one side without UDP', { policy: 'all', expect: (s) => relayed(s) && overStream(s) });
      }
    } finally {
      await Promise.all(contexts.map((context) => context.close()));
    }
  },
};

/** Two pages that must not get a connection, though each has candidates of the type. */
async function notConnected(contexts, label, { policy, only }, type) {
  const errors = [];
  const pages = [];
  for (const context of contexts) pages.push(await openPage(context, label, errors));
  try {
    const room = `interop-${Date.now().toString(36)}`;
    for (const page of pages) await page.evaluate(startClient, { room, policy, only, token: options.token, media: false });
    await sleep(6000);
    const now = await Promise.all(pages.map((page) => page.evaluate(look)));
    if (type) {
      check(`${label}: both have ${type} candidates`, now.every((s) => s.candidates?.some((c) => c.includes(`typ ${type}`))),
        JSON.stringify(now));
    }
    check(`${label}: no connection`, now.every((s) => s.state !== 'connected' && s.state !== 'no link'), JSON.stringify(now));
  } catch (error) {
    check(`${label}: runs`, false, error.message);
  } finally {
    await Promise.all(pages.map(closeClient));
  }
}

try {
  await work[options.work]();
} catch (error) {
  check(`${options.work}: runs`, false, error.stack);
}
