// SPDX-License-Identifier: Apache-2.0
// The page served at '/': a connection check and a small two-way call. Whatever comes from another person
// (names, chat, room names) is only ever put into the page as text.
import { connect } from '/client/turnstone.js';

const $ = (id) => document.getElementById(id);
const CHECK_MS = 9000;
const SAMPLES = 60;
const CHAT_CHANNEL = 1;

/** Makes an element; children that are strings become text. */
function el(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((c) => c !== undefined && c !== ''));
  return node;
}

const icon = (id) => `#i-${id}`;
const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

// ---------------------------------------------------------------------------------------------- address bar

function pageParams() {
  const params = new URLSearchParams(location.search);
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) params.set(key, value);
  return params;
}

function randomRoom() {
  const first = ['amber', 'brave', 'calm', 'coral', 'dune', 'early', 'foggy', 'gentle', 'misty', 'quiet', 'salty', 'windy'];
  const second = ['beach', 'cliff', 'cove', 'gull', 'harbor', 'island', 'lagoon', 'pebble', 'plover', 'shell', 'tide', 'wader'];
  const [a, b, n] = crypto.getRandomValues(new Uint32Array(3));
  return `${first[a % first.length]}-${second[b % second.length]}-${1000 + (n % 9000)}`;
}

function shareLink(room) {
  const url = new URL(location.href);
  url.search = '';
  url.hash = new URLSearchParams({ room }).toString();
  return url.href;
}

// ---------------------------------------------------------------------------------------------- signalling

let client;
let token = pageParams().get('token') ?? undefined;

const SIGNAL_TEXT = {
  connecting: 'Connecting…',
  open: 'Connected',
  reconnecting: 'Reconnecting…',
  closed: 'Not connected',
};

function startClient() {
  const url = new URL('/v1/ws', location.href);
  url.search = url.hash = '';
  client = connect({ url, token });
  client.on('state', ({ state, error }) => {
    showSignal(state, error);
    if (state === 'open') for (const id of ['check-run', 'join']) $(id).disabled = false;
    if (meet.room && state === 'reconnecting') setMeet('reconnecting', 'Lost the server. Trying again; the call itself goes on.');
    if (meet.room && state === 'open') refreshMeet();
    if (state === 'closed') leave();
  });
  client.on('ice', ({ room }) => room === undefined && serversChanged());
  client.on('link', setUpLink);
  client.on('joined', ({ room, peers, rejoined }) => {
    for (const peer of peers) names.set(peer.peer, nameOf(peer.meta));
    // The newcomer calls; whoever was there waits for the offer.
    if (rejoined || room === meet.room) for (const { peer } of peers) client.call(peer, room);
  });
  client.on('peer-joined', ({ peer, meta }) => {
    names.set(peer, nameOf(meta));
    chatLine({ system: `${names.get(peer)} is here` });
    refreshMeet();
  });
  client.on('peer-left', ({ peer, reason }) => {
    if (reason !== 'lost') chatLine({ system: `${names.get(peer) ?? 'Someone'} has left` });
    refreshMeet();
  });
  client.on('left', ({ error }) => { leave(); notify(`Could not get back into the room: ${error.message}.`); });
  showSignal(client.state);
}

function showSignal(state, error) {
  document.body.dataset.signal = state;
  const unauthorized = ['unauthorized', 'token_expired', 'forbidden'].includes(error?.code);
  $('signal-text').textContent = unauthorized ? 'Token needed'
    : error?.code === 'superseded' ? 'Open elsewhere' : SIGNAL_TEXT[state];
  $('token-form').hidden = !unauthorized;
  if (unauthorized) $('token').focus();
  if (state === 'closed') for (const id of ['check-run', 'join']) $(id).disabled = true;
}

$('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value;
  startClient();
});

// ---------------------------------------------------------------------------------------------- check

const check = { state: 'idle', routes: [], verdict: undefined };

const TYPE_NAMES = { host: 'Local', srflx: 'Public', prflx: 'Public', relay: 'Relay' };
const ERROR_TEXT = {
  300: 'The relay sent us to another server.',
  400: 'The server did not understand the request.',
  401: 'The relay refused the user name or password.',
  403: 'The relay does not allow this.',
  437: 'The relay had already given out this address pair.',
  438: 'The relay’s time stamp had run out.',
  441: 'The relay refused the user name or password.',
  442: 'The relay does not offer this kind of transport.',
  486: 'The quota for this user is used up.',
  508: 'The relay has no free ports left.',
  701: 'No answer: blocked on the way, or nothing listens there.',
};

/** One route for each ICE URL, and one for what the device knows about itself. */
function listRoutes(servers) {
  const routes = [{ kind: 'device', name: 'Local network', url: 'No server: the addresses of this device', servers: [] }];
  for (const server of servers) {
    for (const url of [server.urls].flat()) {
      const [, scheme, query] = /^(stuns?|turns?):[^?]*(?:\?(.*))?$/i.exec(url.toLowerCase()) ?? [];
      const secure = scheme?.endsWith('s');
      const transport = new URLSearchParams(query).get('transport') ?? (secure ? 'tcp' : 'udp');
      const via = secure ? (transport === 'udp' ? 'dtls' : 'tls') : transport;
      const kind = scheme?.startsWith('turn') ? 'turn' : 'stun';
      routes.push({
        kind, via, url,
        name: kind === 'stun' ? 'Public address' : `Relay over ${via.toUpperCase()}`,
        servers: [{ ...server, urls: [url] }],
      });
    }
  }
  return routes.map((route) => ({ ...route, state: 'idle', candidates: [], errors: [] }));
}

function resetRoutes() {
  check.routes = listRoutes(client.iceServers);
  $('routes').replaceChildren(...check.routes.map((route) => {
    route.chip = el('span', { className: 'chip', textContent: 'Not checked' });
    route.list = el('div', { className: 'candidates' });
    route.node = el('li', { className: 'route' },
      el('div', { className: 'route-head' },
        el('span', { className: 'route-name', textContent: route.name }),
        el('span', { className: 'route-url', textContent: route.url }), route.chip));
    Object.assign(route.node.dataset, { testid: 'route', url: route.url, kind: route.kind, via: route.via ?? '', state: 'idle' });
    return route.node;
  }));
}

/** Credentials are renewed all the time; what was found out holds as long as the URLs do. */
function serversChanged() {
  if (check.state === 'running') return;
  const wanted = listRoutes(client.iceServers);
  if (check.state !== 'idle' && wanted.map((r) => r.url).join(' ') === check.routes.map((r) => r.url).join(' ')) return;
  check.state = $('check').dataset.state = 'idle';
  check.verdict = undefined;
  $('verdict').hidden = true;
  $('check-run').textContent = 'Start the check';
  resetRoutes();
}

function candidateNote({ type, address, protocol, tcpType }, via) {
  if (type === 'relay') return `On the relay, which you reach over ${via.toUpperCase()}: others get to you through it`;
  if (type !== 'host') return 'How the internet sees you: often reachable directly';
  if (address?.endsWith('.local')) return 'Your address behind a random name, until you allow the camera. That is normal: it protects your privacy';
  if (protocol === 'tcp' && tcpType === 'active') return 'For outgoing TCP only';
  return 'This device: for calls inside the same network';
}

function showCandidate(route, candidate, ms) {
  const { type, protocol, address, port, relayProtocol } = candidate;
  if (!type) return;
  const entry = { type, protocol, address, port, relayProtocol, ms };
  route.candidates.push(entry);
  if (route.kind === 'stun' && type === 'host') return; // the local network has its own list
  const row = el('div', { className: 'candidate' },
    el('span', { className: 'type', textContent: TYPE_NAMES[type] }),
    el('span', { textContent: protocol.toUpperCase() }),
    el('span', { className: 'address', textContent: `${address || 'hidden'}:${port}` }),
    el('span', { className: 'note', textContent: candidateNote(candidate, route.via) }),
    el('span', { className: 'time', textContent: seconds(ms) }));
  Object.assign(row.dataset, { testid: 'candidate', type, protocol });
  route.list.append(row);
  if (!route.list.isConnected) route.node.append(route.list);
}

function setRoute(route, state, text) {
  route.state = route.node.dataset.state = state;
  route.chip.textContent = text;
}

const isProof = (route, type) => (route.kind === 'turn' ? type === 'relay' : route.kind === 'stun' ? type === 'srflx' : true);

/** Gathers the candidates of one route with a peer connection of its own. */
async function probe(route) {
  setRoute(route, 'checking', 'Checking…');
  const pc = new RTCPeerConnection({ iceServers: route.servers, iceTransportPolicy: route.kind === 'turn' ? 'relay' : 'all' });
  const start = performance.now();
  const finished = new Promise((resolve) => {
    setTimeout(resolve, CHECK_MS, false);
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate) return resolve(true);
      const ms = performance.now() - start;
      showCandidate(route, candidate, ms);
      if (isProof(route, candidate.type)) {
        route.ms ??= ms;
        if (route.state === 'checking') setRoute(route, 'ok', `Open · ${seconds(route.ms)}`);
      }
    };
    pc.onicecandidateerror = ({ errorCode, errorText, address, url }) => {
      route.errors.push({ errorCode, errorText, address, url });
    };
  });
  pc.createDataChannel('check');
  await pc.setLocalDescription();
  const complete = await finished;
  pc.close();
  if (route.state === 'ok') return;
  // Browsers do not show a public address that equals a local one: gathering that ends early, without an error, means
  // that there is no NAT. A blocked server keeps it going.
  const exposed = route.kind === 'stun' && complete && !route.errors.length
    && route.candidates.some((c) => c.type === 'host' && c.protocol === 'udp' && !c.address?.endsWith('.local'));
  if (exposed) {
    route.node.append(el('p', { className: 'route-note', textContent: 'The internet sees the same address as this device: nothing translates it on the way.' }));
    return setRoute(route, 'ok', 'Open · no NAT');
  }
  setRoute(route, 'fail', route.kind === 'device' ? 'None found' : 'Blocked');
  const codes = new Set();
  for (const { errorCode, errorText } of route.errors) {
    if (codes.has(errorCode)) continue;
    codes.add(errorCode);
    route.list.append(errorRow(ERROR_TEXT[errorCode] ?? 'The attempt failed.', `${errorCode} ${errorText ?? ''}`));
  }
  if (!codes.size) route.list.append(errorRow(`No answer within ${CHECK_MS / 1000} seconds.`));
  if (!route.list.isConnected) route.node.append(route.list);
}

function errorRow(text, detail) {
  const row = el('div', { className: 'route-error' }, el('span', { textContent: text }), detail ? el('code', { textContent: detail }) : '');
  row.dataset.testid = 'route-error';
  return row;
}

/** What the result means, in plain words. */
function conclude(routes) {
  const turn = routes.filter((r) => r.kind === 'turn');
  const open = (...via) => turn.filter((r) => r.state === 'ok' && via.includes(r.via));
  const direct = routes.some((r) => r.kind === 'stun' && r.state === 'ok');
  const failed = routes.filter((r) => r.state === 'fail' && r.kind !== 'device');
  const rest = failed.length
    ? ` ${failed.length === 1 ? 'One other way is' : `${failed.length} other ways are`} closed: ${failed.map((r) => r.name.toLowerCase().replace(/tcp|udp|d?tls/, (w) => w.toUpperCase())).join(', ')}.`
    : '';
  const port = (route) => /:(\d+)(?:\?|$)/.exec(route.url)?.[1] ?? (['tls', 'dtls'].includes(route.via) ? '5349' : '3478');
  if (open('udp', 'dtls').length) {
    return {
      level: 'ok', title: 'Calls will work from here',
      text: `Your browser reaches the relay over UDP, the fastest way.${direct ? ' Direct calls are possible too, where the other side allows it.' : ''}${rest}`,
    };
  }
  const [detour] = [...open('tls'), ...open('tcp')];
  if (detour) {
    const way = detour.via === 'tls' ? 'TLS' : 'TCP';
    return turn.some((r) => ['udp', 'dtls'].includes(r.via))
      ? { level: 'partial', title: 'Calls will work, by a detour', text: `UDP is blocked here; calls go through ${way} on port ${port(detour)}. Expect a little more delay and, on bad networks, a rougher picture.` }
      : { level: 'ok', title: 'Calls will work from here', text: `Your browser reaches the relay over ${way} on port ${port(detour)}.${rest}` };
  }
  if (turn.some((r) => r.errors.some((e) => [401, 441].includes(e.errorCode)))) {
    return { level: 'bad', title: 'The relay refused us', text: 'It can be reached, but did not accept the credentials. Whoever runs this server should check its secret and its clock.' };
  }
  if (direct) {
    return {
      level: 'partial', title: 'Only direct calls will work',
      text: `${turn.length ? 'The relay cannot be reached from here' : 'This server offers no relay'}. People in open networks can be called, people behind strict firewalls cannot.`,
    };
  }
  if (routes.length === 1) {
    return { level: 'bad', title: 'Nothing to check', text: 'This server has announced neither STUN nor TURN. Only calls inside the same network will work.' };
  }
  return {
    level: 'bad', title: 'Calls will not get through',
    text: 'Neither the relay nor a public address answers. Either the network, a VPN or a browser extension blocks WebRTC, or the relay is down. Try another network first.',
  };
}

function setCheck(state, name, title, text) {
  check.state = $('check').dataset.state = state;
  $('verdict').hidden = false;
  $('verdict-icon').setAttribute('href', icon(name));
  $('verdict-title').textContent = title;
  $('verdict-text').textContent = text;
}

async function runCheck() {
  $('check-run').disabled = true;
  resetRoutes();
  setCheck('running', 'send', 'Checking…', `Trying ${check.routes.length} ways at once. This takes up to ${CHECK_MS / 1000} seconds.`);
  await Promise.all(check.routes.map((route) => probe(route).catch((error) => {
    setRoute(route, 'fail', 'Failed');
    route.list.append(errorRow('The browser refused to try.', error.message));
    route.node.append(route.list);
  })));
  const { level, title, text } = check.verdict = conclude(check.routes);
  setCheck(level, { ok: 'ok', partial: 'warn', bad: 'bad' }[level], title, text);
  $('check-run').textContent = 'Check again';
  $('check-run').disabled = client.state === 'closed';
}

$('check-run').addEventListener('click', runCheck);

// ---------------------------------------------------------------------------------------------- media sources

const media = { kind: 'none', stream: null, stop() {} };

async function cameraSource() {
  if (!navigator.mediaDevices) throw new DOMException('needs HTTPS', 'SecurityError');
  const audio = { echoCancellation: true, noiseSuppression: true };
  const video = { width: { ideal: 1280 }, height: { ideal: 720 } };
  const get = (wanted) => navigator.mediaDevices.getUserMedia(wanted);
  // Where one of the two is missing, the other one is better than nothing.
  const stream = await get({ audio, video }).catch((error) => {
    if (error.name !== 'NotFoundError') throw error;
    return get({ audio }).catch(() => get({ video }));
  });
  return { kind: 'camera', stream, stop: () => stream.getTracks().forEach((t) => t.stop()) };
}

/** A drawn picture and a quiet tone, for machines without a camera. */
function syntheticSource() {
  const canvas = el('canvas', { width: 640, height: 400 });
  const g = canvas.getContext('2d');
  const hue = Math.floor(Math.random() * 360);
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const draw = () => {
    const t = performance.now() / 1000;
    const sky = g.createLinearGradient(0, 0, 0, 400);
    sky.addColorStop(0, `hsl(${hue} 45% 26%)`);
    sky.addColorStop(1, `hsl(${(hue + 40) % 360} 60% 62%)`);
    g.fillStyle = sky;
    g.fillRect(0, 0, 640, 400);
    g.fillStyle = 'rgb(255 244 224 / 90%)';
    g.beginPath();
    g.arc(460 + 30 * Math.sin(t / 3), 150, 46, 0, 2 * Math.PI);
    g.fill();
    for (let layer = 0; layer < 4; layer++) {
      g.fillStyle = `hsl(${(hue + 180) % 360} 38% ${44 - layer * 9}% / 82%)`;
      g.beginPath();
      g.moveTo(0, 400);
      for (let x = 0; x <= 640; x += 16) g.lineTo(x, 250 + layer * 36 + 13 * Math.sin(x / (64 - layer * 8) + t * (0.8 + layer / 3)));
      g.lineTo(640, 400);
      g.fill();
    }
    g.fillStyle = 'rgb(255 255 255 / 92%)';
    g.font = '600 30px system-ui, sans-serif';
    g.textAlign = 'center';
    g.fillText(new Date().toLocaleTimeString(), 320, 80);
  };
  draw();
  const timer = setInterval(draw, calm ? 1000 : 1000 / 20);
  const stream = canvas.captureStream(20);
  const audio = new AudioContext();
  const tone = new OscillatorNode(audio, { frequency: 220 + (hue % 5) * 55 });
  const sink = audio.createMediaStreamDestination();
  tone.connect(new GainNode(audio, { gain: 0.02 })).connect(sink);
  tone.start();
  for (const track of sink.stream.getAudioTracks()) stream.addTrack(track);
  return {
    kind: 'synthetic', stream,
    stop() {
      clearInterval(timer);
      audio.close();
      stream.getTracks().forEach((t) => t.stop());
    },
  };
}

const CAMERA_ERRORS = {
  NotAllowedError: 'The camera was not allowed',
  NotFoundError: 'No camera or microphone was found',
  NotReadableError: 'The camera is in use by something else',
  SecurityError: 'Browsers allow the camera over HTTPS only',
};

async function openSource(kind) {
  if (kind === 'none') return { kind, stream: null, stop() {} };
  if (kind === 'synthetic') return syntheticSource();
  try {
    return await cameraSource();
  } catch (error) {
    const why = CAMERA_ERRORS[error.name] ?? 'The camera cannot be used here';
    notify(`${why}, so you watch and chat only.`, true);
    return { kind: 'none', stream: null, stop() {} };
  }
}

function showSelf() {
  $('self').hidden = !media.stream;
  $('self').dataset.source = media.kind;
  $('local-video').srcObject = media.stream;
  for (const [id, kind] of [['toggle-mic', 'audio'], ['toggle-camera', 'video']]) {
    $(id).disabled = !media.stream?.getTracks().some((t) => t.kind === kind);
    $(id).setAttribute('aria-pressed', String(!$(id).disabled));
    $(id).title = $(id).disabled ? 'Nothing is being sent' : '';
  }
}

for (const [id, kind] of [['toggle-mic', 'audio'], ['toggle-camera', 'video']]) {
  $(id).addEventListener('click', () => {
    const on = $(id).getAttribute('aria-pressed') !== 'true';
    $(id).setAttribute('aria-pressed', String(on));
    for (const track of media.stream.getTracks()) if (track.kind === kind) track.enabled = on;
  });
}

// ---------------------------------------------------------------------------------------------- meeting

const meet = { state: 'idle', room: undefined, name: '' };
const names = new Map(); // peer → name
const views = new Map(); // link → {tile, video, chat}
let samples = [];
let latest;
let sampler;

const nameOf = (meta) => (typeof meta?.name === 'string' && meta.name.trim() ? meta.name.slice(0, 40) : 'Guest');

function notify(text, offerTestPicture = false) {
  $('notice-text').textContent = text;
  $('use-synthetic').hidden = !offerTestPicture;
  $('notice').hidden = !text;
}

$('use-synthetic').addEventListener('click', () => {
  Object.assign(media, syntheticSource());
  showSelf();
  for (const link of views.keys()) link.publish(media.stream);
  notify('');
  $('toggle-camera').focus();
});

function setMeet(state, text) {
  meet.state = $('meet').dataset.state = document.body.dataset.meet = state;
  if ($('meet-status').textContent !== text) $('meet-status').textContent = text;
}

function refreshMeet() {
  if (!meet.room) return;
  const live = [...views.keys()].filter((link) => link.pc.connectionState === 'connected');
  $('tiles').dataset.count = views.size;
  $('empty').hidden = views.size > 0;
  for (const id of ['chat-input', 'chat-send']) $(id).disabled = !live.length;
  if (client.state === 'reconnecting') return;
  if (live.length) setMeet('in-call', `In a call with ${live.map((l) => names.get(l.peer) ?? 'Guest').join(', ')}.`);
  else if (views.size) setMeet('calling', 'Finding a way to the other side…');
  else setMeet('waiting', `You are in “${meet.room}”. Waiting for someone to come.`);
}

async function join(event) {
  event.preventDefault();
  const room = $('room').value.trim();
  if (!room || meet.room) return;
  meet.room = room;
  meet.name = $('name').value.trim() || 'Guest';
  notify('');
  setMeet('joining', 'Entering…');
  $('join').disabled = true;
  Object.assign(media, await openSource($('source').value));
  try {
    await client.join(room, { name: meet.name });
  } catch (error) {
    leave();
    setMeet('failed', `Could not enter the room: ${error.message}.`);
    return;
  }
  const hash = new URLSearchParams(location.hash.slice(1));
  hash.set('room', room);
  history.replaceState(null, '', `#${hash}`);
  $('share-link').value = shareLink(room);
  $('meet-title').textContent = 'Meet someone';
  $('lobby').hidden = true;
  $('call').hidden = $('leave').hidden = false;
  showSelf();
  refreshMeet();
  sampler = setInterval(sample, 1000);
  $('meet').scrollIntoView({ block: 'start' });
  $('copy').focus({ preventScroll: true });
}

function leave() {
  if (!meet.room) return;
  const { room } = meet;
  meet.room = undefined;
  clearInterval(sampler);
  for (const link of views.keys()) link.close();
  if (client.state !== 'closed') client.leave(room).catch(() => {}); // a lost session has left already
  media.stop();
  Object.assign(media, { kind: 'none', stream: null, stop() {} });
  showSelf();
  samples = [];
  latest = undefined;
  $('chat-log').replaceChildren();
  $('lobby').hidden = false;
  $('call').hidden = $('leave').hidden = true;
  $('join').disabled = client.state === 'closed';
  setMeet('idle', 'Video, voice and chat, from browser to browser.');
  notify('');
  showStats();
}

function setUpLink(link) {
  if (!meet.room) return link.close();
  const name = names.get(link.peer) ?? 'Guest';
  const video = el('video', { autoplay: true, playsInline: true });
  video.dataset.testid = 'remote-video';
  video.setAttribute('aria-label', `Picture of ${name}`);
  const tile = el('div', { className: 'tile' }, el('span', { className: 'initial', textContent: [...name][0].toUpperCase() }), video, el('span', { className: 'tag', textContent: name }));
  Object.assign(tile.dataset, { testid: 'tile', peer: link.peer, state: 'new', video: 'off' });
  const chat = link.channel('chat', { id: CHAT_CHANNEL });
  views.set(link, { tile, video, chat });
  $('tiles').append(tile);

  chat.onmessage = ({ data }) => {
    let message;
    try { message = JSON.parse(data); } catch { return; }
    if (typeof message?.text === 'string') chatLine({ from: names.get(link.peer) ?? 'Guest', text: message.text.slice(0, 2000) });
  };
  link.on('track', ({ track }) => {
    // One stream of its own for each link: tracks may come without a stream, or one by one.
    video.srcObject ??= new MediaStream();
    for (const old of video.srcObject.getTracks()) if (old.kind === track.kind) video.srcObject.removeTrack(old);
    video.srcObject.addTrack(track);
    if (track.kind !== 'video') return;
    const show = () => { tile.dataset.video = track.muted ? 'off' : 'on'; };
    track.onmute = track.onunmute = show;
    show();
  });
  link.on('state', (state) => {
    tile.dataset.state = state;
    refreshMeet();
  });
  link.on('close', () => {
    tile.remove();
    views.delete(link);
    refreshMeet();
  });
  link.publish(media.stream);
  refreshMeet();
}

function chatLine({ from, text, own, system }) {
  if (!meet.room) return;
  const log = $('chat-log');
  const line = system ? el('li', { className: 'chat-line system', textContent: system })
    : el('li', { className: own ? 'chat-line own' : 'chat-line' }, el('b', { textContent: own ? 'You' : from }), el('span', { textContent: text }));
  line.dataset.testid = system ? 'chat-system' : own ? 'chat-own' : 'chat-remote';
  log.append(line);
  while (log.childElementCount > 300) log.firstChild.remove();
  log.scrollTop = log.scrollHeight;
}

$('chat-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('chat-input').value.trim();
  const open = [...views.values()].filter(({ chat }) => chat.readyState === 'open');
  if (!text || !open.length) return;
  for (const { chat } of open) chat.send(JSON.stringify({ text }));
  chatLine({ own: true, text });
  $('chat-input').value = '';
});

$('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText($('share-link').value);
    $('copy-text').textContent = 'Copied';
  } catch {
    // Without HTTPS there is no clipboard: select it, so that one key press copies.
    $('share-link').select();
    $('copy-text').textContent = 'Press Ctrl+C';
  }
  setTimeout(() => { $('copy-text').textContent = 'Copy'; }, 2500);
});

$('relay').addEventListener('change', () => {
  client.configure({ iceTransportPolicy: $('relay').checked ? 'relay' : 'all' });
});

$('lobby').addEventListener('submit', join);
$('leave').addEventListener('click', () => { leave(); $('join').focus(); });
addEventListener('pagehide', () => client.close());
addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload(); });
addEventListener('hashchange', () => {
  const room = pageParams().get('room');
  if (room && !meet.room) $('room').value = room;
});

// ---------------------------------------------------------------------------------------------- statistics

const CANDIDATE_WORDS = { host: 'a local address', srflx: 'its public address', prflx: 'its public address', relay: 'the relay' };

async function sample() {
  const link = [...views.keys()].find((l) => l.pc.connectionState === 'connected');
  latest = link && await link.stats();
  if (latest) samples = [...samples, latest].slice(-SAMPLES);
  showStats();
}

function pathWords({ path, protocol, local, remote }) {
  if (!path) return ['none', 'No connection yet', 'The way the call takes is shown here.'];
  const how = (protocol ?? 'udp').toUpperCase();
  if (path === 'direct') {
    return ['direct', `Direct, over ${how}`, `Nothing in between: ${CANDIDATE_WORDS[local?.candidateType] ?? 'your address'} here, ${CANDIDATE_WORDS[remote?.candidateType] ?? 'theirs'} there.`];
  }
  const mine = local?.candidateType === 'relay', theirs = remote?.candidateType === 'relay';
  const title = mine ? `Through the relay, over ${how}` : `Through the other side’s relay, over ${how}`;
  const where = mine && local.url ? ` It is ${local.url}.` : '';
  return ['relay', title, `${mine && theirs ? 'Both sides use' : mine ? 'You use' : 'The other side uses'} the relay; what is said stays encrypted from end to end.${where}`];
}

const bits = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} Mbit/s` : `${Math.round(n / 1000)} kbit/s`);
const percent = (x) => `${(x * 100).toFixed(x > 0 && x < 0.1 ? 1 : 0)} %`;

function showStats() {
  const [path, title, text] = pathWords(latest ?? {});
  $('path').dataset.path = path;
  if ($('path-title').textContent !== title) $('path-title').textContent = title;
  if ($('path-text').textContent !== text) $('path-text').textContent = text;
  const none = latest ? undefined : '–';
  $('value-bitrate').textContent = none ?? `${bits(latest.bitrateIn)} / ${bits(latest.bitrateOut)}`;
  $('value-rtt').textContent = none ?? (latest.rtt === undefined ? '–' : latest.rtt < 1 ? '< 1 ms' : `${Math.round(latest.rtt)} ms`);
  $('value-loss').textContent = none ?? `${percent(latest.lossIn)} / ${percent(latest.lossOut)}`;
  drawGraph('bitrate', ['bitrateIn', 'bitrateOut'], 100_000);
  drawGraph('rtt', ['rtt'], 20);
  drawGraph('loss', ['lossIn', 'lossOut'], 0.05);
}

const svg = (tag, attributes) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

function drawGraph(id, keys, least) {
  const top = Math.max(least, ...samples.flatMap((s) => keys.map((key) => s[key] ?? 0))) * 1.15;
  const x = (i) => 240 - ((samples.length - 1 - i) * 240) / (SAMPLES - 1);
  const points = (key) => samples.map((s, i) => `${x(i).toFixed(1)},${(62 - ((s[key] ?? 0) / top) * 58).toFixed(1)}`);
  const nodes = [svg('line', { class: 'base', x1: 0, x2: 240, y1: 62, y2: 62 })];
  if (samples.length > 1) {
    nodes.push(svg('polygon', { class: 'area', points: [`${x(0)},64`, ...points(keys[0]), '240,64'].join(' ') }));
    keys.forEach((key, i) => nodes.push(svg('polyline', { class: i ? 'line line-b' : 'line', points: points(key).join(' ') })));
  }
  $(`graph-${id}`).replaceChildren(...nodes);
}

// ---------------------------------------------------------------------------------------------- start

const invitedTo = pageParams().get('room');
$('room').value = invitedTo ?? randomRoom();
$('relay').checked = pageParams().get('relay') === '1';
if (invitedTo) {
  $('check').before($('meet')); // an invited guest came for the call
  $('meet-title').textContent = 'You are invited';
  setMeet('idle', 'Someone sent you this link to meet here. Choose what to send and enter.');
}
navigator.mediaDevices?.enumerateDevices().then((devices) => {
  if (!devices.some(({ kind }) => kind === 'videoinput')) $('source').value = 'synthetic';
}, () => {});
startClient();
if ($('relay').checked) client.configure({ iceTransportPolicy: 'relay' });
showSelf();
showStats();

// For browser tests: a stable view of what the page is doing.
window.turnstoneDemo = {
  get client() { return client; },
  get links() { return [...views.keys()]; },
  get stats() { return latest; },
  get check() { return { state: check.state, verdict: check.verdict, routes: check.routes.map(({ kind, via, url, state, ms, candidates, errors }) => ({ kind, via, url, state, ms, candidates, errors })) }; },
  get meet() { return { ...meet }; },
};
