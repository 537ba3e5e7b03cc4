// SPDX-License-Identifier: Apache-2.0
// What is wrong, in words: rules over what the server counts. Pure. Thresholds are those of the alerts (docs/alerts.md), but
// without their patience: who looks at this wants to know now.
import { bits, count, duration, each, percent, plural, words } from './format.mjs';
import { at, total } from './rates.mjs';

/** What opens every authentication. */
export const NORMAL_AUTH = ['no_credentials', 'stale_nonce'];
/** Answers to Allocate that are no failure: the beginning of an authentication, and a server that somebody should go to. */
const NORMAL_ALLOCATE = ['300', '401', '438'];
const SCANNED = ['private', 'loopback', 'link_local', 'special_purpose', 'denied_by_rule'];
const DAY = 86_400;

const WHY_AUTH = {
  wrong_password: 'A secret was changed on one side only, or somebody guesses.',
  unknown_user: 'A secret or the users were changed on one side only, or somebody guesses.',
  expired: 'Credentials are used after their time: their life is too short, or a clock is wrong.',
  revoked: 'Clients come back with credentials that were revoked.',
  wrong_realm: 'Clients use credentials of another realm.',
  wrong_address: 'Clients use credentials that are bound to another address.',
  source_busy: 'The external source of credentials does not keep up.',
  bad_policy: 'The application mints credentials whose policy cannot be read.',
};

/** Each: (rates) → a finding, several, or nothing. */
const RULES = [
  function draining({ now }) {
    if (!now.draining) return null;
    const left = [plural(total(now, ['allocations']), 'allocation'), plural(at(now, ['signaling', 'sessions']), 'signaling session')];
    return { level: 'warn', title: 'Draining', text: `New clients are refused; ${left.join(' and ')} left.`,
      hint: 'Meant for an update. “turnstone ctl undrain” welcomes clients again.' };
  },

  function certificate({ now }) {
    if (typeof now.certificate_expires !== 'number') return null;
    const left = now.certificate_expires - now.time;
    const hint = 'Renew it. Files that change are taken over by themselves, or by a reload.';
    if (left <= 0) return { level: 'bad', title: 'Certificate expired', text: `${duration(-left)} ago: TLS and DTLS clients are lost.`, hint };
    if (left < DAY) return { level: 'bad', title: 'Certificate expires', text: `In ${duration(left)}.`, hint };
    return left < 14 * DAY ? { level: 'warn', title: 'Certificate expires soon', text: `In ${duration(left)}.`, hint } : null;
  },

  function ports(rates) {
    const refused = rates.of('denials', 'no_port');
    const hint = 'Widen relay.ports, add addresses, or move clients to another server.';
    if (refused > 0) return { level: 'bad', title: 'Out of relay ports', text: `${each(refused, 'request')} refused with 508.`, hint };
    const [used, free] = [at(rates.now, ['ports', 'used']), at(rates.now, ['ports', 'free'])];
    const share = used / (used + free);
    if (!(share > 0.8)) return null;
    return { level: share > 0.95 ? 'bad' : 'warn', title: 'Relay ports nearly used up', text: `${percent(share)} used, ${plural(free, 'port')} left.`, hint };
  },

  function full(rates) {
    const refused = rates.of('denials', 'quota_total');
    const most = at(rates.now, ['limits', 'allocations']);
    if (refused > 0) {
      return { level: 'bad', title: 'Full', text: `${each(refused, 'request')} refused: relay.max_allocations (${count(most)}) is reached.`,
        hint: 'Raise the limit if the machine can bear it, or add a server.' };
    }
    const share = total(rates.now, ['allocations']) / most;
    if (!most || share <= 0.9) return null;
    return { level: 'warn', title: 'Nearly full', text: `${percent(share)} of relay.max_allocations (${count(most)}).`, hint: 'Then clients get 508.' };
  },

  function authentication(rates) {
    const failing = rates.ofAll(['auth_failures'], NORMAL_AUTH);
    if (failing <= 1 || failing <= rates.of('requests', 'allocate', 'success')) return null;
    const why = rates.most(['auth_failures'], NORMAL_AUTH);
    return { level: 'bad', title: 'Clients fail to log in', text: `${each(failing, 'request')}, more than get in; mostly ${words(why)}.`,
      hint: WHY_AUTH[why] ?? 'A secret was changed on one side only, or somebody guesses.' };
  },

  function allocating(rates) {
    const asked = rates.ofAll(['requests', 'allocate'], NORMAL_ALLOCATE);
    const failed = rates.ofAll(['requests', 'allocate'], [...NORMAL_ALLOCATE, 'success']);
    // While it drains, all of them are refused on purpose.
    if (rates.now.draining || asked <= 0.05 || failed / asked <= 0.2) return null;
    return { level: 'bad', title: 'Clients get no relay', text: `${percent(failed / asked)} of Allocate requests fail, mostly with ${rates.most(['requests', 'allocate'], [...NORMAL_ALLOCATE, 'success'])}.`,
      hint: 'They are known and refused all the same: the denials tell why.' };
  },

  function oneWay(rates) {
    const packets = (direction) => Object.keys(rates.now.relayed?.[direction] ?? {}).reduce((sum, via) => sum + rates.of('relayed', direction, via, 'packets'), 0);
    if (rates.span < 20 || packets('to_peer') <= 5 || packets('to_client') > 0) return null;
    return { level: 'bad', title: 'Nothing comes back from peers', text: `${each(packets('to_peer'), 'packet')} go out, none come in.`,
      hint: 'A firewall closes the relay ports, or the advertised address is wrong.' };
  },

  function buffers(rates) {
    const dropped = rates.ofAll(['udp', 'receive_drops']);
    const share = dropped / rates.of('udp', 'received');
    if (!(dropped > 0) || share <= 0.001) return null;
    return { level: share > 0.01 ? 'bad' : 'warn', title: 'Receive buffers overflow', text: `The kernel drops ${each(dropped, 'datagram')}, ${percent(Math.min(share, 1))} of what comes.`,
      hint: 'More threads or cores, or larger buffers (listen.udp_listener_buffer, listen.udp_relay_buffer).' };
  },

  function sending(rates) {
    const failed = rates.of('udp', 'send_errors');
    const share = failed / (rates.of('udp', 'sent') + failed);
    if (!(failed > 0) || share <= 0.01) return null;
    return { level: share > 0.1 ? 'bad' : 'warn', title: 'Sending fails', text: `The kernel refuses ${percent(share)} of what is sent.`,
      hint: 'A route, a firewall on this host, or a full queue of the network card.' };
  },

  function cpu(rates) {
    const busy = rates.of('process', 'cpu_seconds') / at(rates.now, ['threads']);
    if (!(busy > 0.85)) return null;
    return { level: busy > 0.97 ? 'bad' : 'warn', title: 'Processors busy', text: `${percent(busy)} of what ${plural(rates.now.threads, 'thread')} can use.`,
      hint: 'Packets wait now, and get lost soon. The top talkers tell whose they are.' };
  },

  function descriptors({ now }) {
    const share = at(now, ['process', 'open_fds']) / at(now, ['process', 'max_fds']);
    if (!(share > 0.85)) return null;
    return { level: share > 0.97 ? 'bad' : 'warn', title: 'File descriptors nearly used up', text: `${percent(share)} of ${count(now.process.max_fds)}.`,
      hint: 'Raise LimitNOFILE (ulimit -n).' };
  },

  function streams(rates) {
    const refused = rates.of('streams', 'refused', 'limit') + rates.of('streams', 'refused', 'accept_failed');
    if (refused > 0) {
      return { level: 'bad', title: 'Connections refused', text: `${each(refused, 'stream')}: all places for TCP and TLS are taken.`,
        hint: `listen.max_streams is ${count(at(rates.now, ['limits', 'streams']))}; descriptors may be the limit too.` };
    }
    const tls = rates.of('streams', 'refused', 'tls_failed');
    const good = ['turn_tls', 'https', 'turn_dtls'].reduce((sum, kind) => sum + rates.of('streams', 'accepted', kind), 0);
    if (tls <= 0.1 || tls <= good) return null;
    return { level: 'warn', title: 'TLS handshakes fail', text: `${each(tls, 'stream')}, more than succeed.`, hint: 'Clients do not trust the certificate, or scanners are about.' };
  },

  function hook(rates) {
    const asked = rates.ofAll(['hook', 'results']);
    const failed = rates.ofAll(['hook', 'results'], ['found', 'no_such_user']);
    if (!(failed > 0) || failed / asked <= 0.1) return null;
    return { level: 'bad', title: 'The source of credentials fails', text: `${percent(failed / asked)} of the questions to auth.hook_url: ${words(rates.most(['hook', 'results'], ['found', 'no_such_user']))}.`,
      hint: 'Users whom only your application knows get no relay.' };
  },

  function flood(rates) {
    const dropped = rates.of('drops', 'source_rate');
    if (dropped <= 50) return null;
    return { level: 'warn', title: 'Flood', text: `${each(dropped, 'request')} of strangers left unanswered.`, hint: 'Their addresses may be forged. Nothing to do while clients get through.' };
  },

  function scan(rates) {
    const asked = SCANNED.reduce((sum, reason) => sum + rates.of('denials', reason), 0);
    if (asked <= 5) return null;
    return { level: 'warn', title: 'Forbidden peers asked for', text: `${each(asked, 'request')}, mostly ${words(rates.most(['denials'], Object.keys(rates.now.denials ?? {}).filter((r) => !SCANNED.includes(r))))}.`,
      hint: 'Somebody scans inner networks through the relay, or a network that should be allowed is not.' };
  },

  function throttled(rates) {
    const packets = rates.of('now', 'packets');
    const dropped = rates.of('drops', 'bit_rate') + rates.of('drops', 'packet_rate');
    const stuck = rates.of('drops', 'queue_full') + rates.of('drops', 'send_failed');
    const out = [];
    if (dropped > 0.01 * packets && dropped > 1) {
      const most = at(rates.now, ['limits', 'bits_per_second']);
      out.push({ level: 'warn', title: 'Limits drop traffic', text: `${each(dropped, 'packet')}, beside ${each(packets, 'packet')} relayed.`,
        hint: most ? `The limit of all together is ${bits(most)}; users and credentials may have their own.` : 'Limits of users, allocations or credentials.' });
    }
    if (stuck > 0.01 * packets && stuck > 1) {
      out.push({ level: 'warn', title: 'Packets do not get out', text: `${each(stuck, 'packet')} dropped on the way to clients or peers.`, hint: 'Clients on TCP or TLS that do not keep up, or a full network.' });
    }
    return out;
  },

  function broken(rates) {
    const ended = rates.of('allocations_ended', 'relay_failed');
    if (ended === 0) return null;
    return { level: 'warn', title: 'Relay sockets fail', text: `${each(ended, 'allocation')} ended by errors of the system.`, hint: 'The log has the errors.' };
  },

  function signaling(rates) {
    const messages = rates.of('signaling', 'messages');
    const wrong = rates.ofAll(['signaling', 'errors']);
    if (messages <= 1 || wrong / messages <= 0.2) return null;
    return { level: 'warn', title: 'Signaling refuses messages', text: `${percent(wrong / messages)}, mostly ${words(rates.most(['signaling', 'errors']))}.`,
      hint: 'Unauthorized after a changed token, for instance.' };
  },

  function forgotten(rates) {
    const gone = rates.ofAll(['revocations_forgotten']);
    if (gone === 0) return null;
    return { level: 'warn', title: 'Revocations are forgotten', text: `${each(gone, 'revocation')}: there are too many of them.`, hint: 'Those credentials are good again until they expire. Shorten auth.credential_ttl.' };
  },

  function bug({ now }) {
    if (!now.bugs) return null;
    return { level: 'warn', title: 'The server noticed an error of its own', text: `${plural(now.bugs, 'time')} since its start.`, hint: 'Please report it, with the log.' };
  },
];

const ORDER = ['bad', 'warn'];

/** Everything that is wrong, the worst first: [{id, level, title, text, hint}]. Of `Rates`. */
export function findings(rates) {
  if (!rates.now) return [];
  return RULES
    .flatMap((rule) => [rule(rates) ?? []].flat().map((finding, i) => ({ id: `${rule.name}${i || ''}`, ...finding })))
    .sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
}

/** The line on top: {level, title, text}. `silent`: seconds since the last answer. */
export function headline(rates, found, silent = 0) {
  if (!rates.now) return { level: 'wait', title: 'Connecting', text: 'Waiting for the first answer.' };
  if (silent > 8) {
    return { level: 'bad', title: 'No answer', text: `The server has said nothing for ${duration(silent)}. What is below is old.` };
  }
  if (found.length > 0) return found[0];
  const relayed = 8 * (rates.of('now', 'to_peer_bytes') + rates.of('now', 'to_client_bytes'));
  const what = `${plural(total(rates.now, ['allocations']), 'allocation')} relay ${bits(relayed)}`;
  return rates.span === 0 ? { level: 'ok', title: 'No trouble so far', text: 'Measuring rates…' } : { level: 'ok', title: 'All is well', text: `${what}.` };
}
