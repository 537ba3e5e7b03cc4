// SPDX-License-Identifier: Apache-2.0
// Allocations and rooms: lists with filters, and one of each with what can be done to it. Lists stand still, so that nobody ends
// what has just moved under the pointer; one allocation is live.
import { addRows, confirmed, h, named, replaceKeeping, say, table } from './dom.mjs';
import { bits, bytes, count, duration, each, plural } from './format.mjs';

const PAGE = 100;

/** A list by pages: filters, a table that grows, and "more". */
export class Pages {
  #app;
  #ask;
  #row;
  #columns;
  #caption;
  #shown = 0;
  #next = '';
  #loading = false;
  #place = h('div', { class: 'scroll' });
  #more = h('button', { type: 'button', 'data-testid': 'more', onclick: () => this.#app.run(() => this.load()) }, 'More');

  constructor(app, place, { caption, columns, ask, row }) {
    this.#app = app;
    this.#caption = caption;
    this.#columns = columns;
    this.#ask = ask;
    this.#row = row;
    this.#more.hidden = true;
    place.append(this.#place, this.#more);
  }

  /** The next page, one at a time. */
  async load() {
    if (this.#loading) return;
    this.#loading = true;
    say(this.#more, 'Loading…');
    // A page may be short, or empty, and have a next one: a filter that finds little is asked for again, but not for ever.
    const wanted = this.#shown + PAGE;
    try {
      for (let i = 0; i < 20; i++) {
        const { items, next } = await this.#ask({ limit: PAGE, cursor: this.#next });
        this.#next = next ?? '';
        this.#append(items);
        if (!this.#next || this.#shown >= wanted) break;
      }
    } finally {
      this.#loading = false;
      this.#more.hidden = !this.#next;
      say(this.#more, 'More');
    }
  }

  /** What is shown stays as it is: who was removed there may have come back under the same name. */
  #append(items) {
    const rows = items.map((item) => this.#row(item));
    if (this.#shown === 0) this.#place.replaceChildren(table(this.#caption, this.#columns, rows, this.#next ? 'Nothing found so far.' : 'There are none.'));
    else addRows(this.#place, this.#columns, rows);
    this.#shown += items.length;
  }
}

const field = (name, label, value, type = 'text') => h('label', null, label, h('input', { name, value, type, autocomplete: 'off', spellcheck: 'false' }));

/** A form whose fields become the query of the view's address. */
function filters(path, ...fields) {
  const form = h('form', { class: 'bar', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const wanted = `#/${path}${query.size ?? [...query].length ? `?${query}` : ''}`;
    if (location.hash === wanted) dispatchEvent(new HashChangeEvent('hashchange'));
    else location.hash = wanted;
  } }, ...fields, h('button', { type: 'submit', 'data-testid': 'filter' }, 'Show'));
  return form;
}

const linkTo = (a) => h('a', { href: `#/allocation/${a.id}`, 'data-key': a.id }, a.id);

function endButton(app, a, done) {
  return h('button', { type: 'button', class: 'danger small', 'data-testid': `end-${a.id}`, onclick: (event) => app.run(async () => {
    const button = event.currentTarget;
    const sure = await confirmed({ title: 'End this allocation?', action: 'End it',
      text: [named(a.user), ` at ${a.client} loses its relay at once. It may make another one; to keep it out, revoke its credential.`] });
    if (!sure) return;
    await app.api.remove(['allocations', a.id]);
    app.notice(`Allocation ${a.id} was ended.`);
    button.disabled = true;
    button.textContent = 'Ended';
    done?.();
  }) }, 'End');
}

export class Allocations {
  title = 'Allocations';
  #pages;

  constructor(app, place, _, query) {
    const transport = h('select', { name: 'transport' }, ['', 'udp', 'tcp', 'tls', 'dtls'].map((via) => h('option', { value: via, selected: via === query.get('transport') }, via || 'any')));
    place.append(filters('allocations', h('h1', null, 'Allocations'), field('user', 'User', query.get('user') ?? ''), field('client', 'Client: address or network', query.get('client') ?? ''),
      field('room', 'Room', query.get('room') ?? ''), field('realm', 'Realm', query.get('realm') ?? ''), h('label', null, 'Via', transport)));
    const card = h('div', { class: 'card', 'data-testid': 'allocations' });
    place.append(card);
    this.#pages = new Pages(app, card, {
      caption: 'Allocations',
      columns: [['Allocation'], ['User'], ['Room'], ['Client'], ['Via'], ['Relayed address'], ['Age', true], ['To peers', true], ['To clients', true], ['']],
      ask: async (page) => {
        const { allocations, next } = await app.api.get(['allocations'], { ...Object.fromEntries(query), ...page });
        return { items: allocations, next };
      },
      row: (a) => [linkTo(a), named(a.user), a.room ? h('a', { href: `#/room/${encodeURIComponent(a.room)}` }, named(a.room)) : '', a.client, a.transport,
        a.relayed.join(' '), duration(a.age_seconds), bytes(a.to_peer.bytes), bytes(a.to_client.bytes), endButton(app, a)],
    });
  }

  start() {
    return this.#pages.load();
  }
}

export class Allocation {
  title = 'Allocation';
  period = 2000;
  #app;
  #id;
  #before = null;
  #over = false;
  #facts = h('dl', { class: 'facts', 'data-testid': 'allocation' });
  #lists = h('div', { class: 'tables' });
  #bar = h('div', { class: 'bar' });

  constructor(app, place, [id]) {
    this.#app = app;
    this.#id = id;
    place.append(this.#bar, h('div', { class: 'card' }, this.#facts), this.#lists);
    this.#bar.append(h('h1', null, `Allocation ${id}`));
  }

  async refresh() {
    if (this.#over) return;
    let a;
    try {
      a = await this.#app.api.get(['allocations', this.#id]);
    } catch (error) {
      if (error.status !== 404) throw error;
      return this.#ended();
    }
    const first = this.#before === null;
    this.#show(a, first);
    this.#before = { a, at: a.age_seconds };
  }

  #ended() {
    this.#over = true;
    for (const button of this.#bar.querySelectorAll('button')) button.disabled = true;
    this.#app.notice(`Allocation ${this.#id} is over.`);
  }

  #show(a, first) {
    if (first) this.#bar.append(endButton(this.#app, a, () => this.#ended()), this.#revokeButton(a));
    const passed = first ? 0 : a.age_seconds - this.#before.at;
    const speed = (direction) => {
      if (passed <= 0) return '';
      const grown = (part) => Math.max(0, a[direction][part] - this.#before.a[direction][part]) / passed;
      return ` now ${bits(8 * grown('bytes'))}, ${each(grown('packets'), 'packet')};`;
    };
    const traffic = (direction) => `${speed(direction)} ${bytes(a[direction].bytes)}, ${plural(a[direction].packets, 'packet')} in all`.trim();
    const rows = [
      ['User', named(a.user, 400)], ['Realm', a.realm], ['Room', a.room ? h('a', { href: `#/room/${encodeURIComponent(a.room)}` }, named(a.room)) : '–'],
      ['Member', a.member ? named(a.member) : '–'], ['Client', `${a.client} over ${a.transport.toUpperCase()}, at ${a.server}`],
      ['Relayed address', `${a.relayed.join(', ')} (${a.protocol})`], ['Age', duration(a.age_seconds)], ['Lasts, if not refreshed', duration(a.left_seconds)],
      ['To peers', traffic('to_peer')], ['To clients', traffic('to_client')],
      ['Permissions, channels', `${count(a.permissions)}, ${count(a.channels)}`], ['TCP connections to peers', count(a.connections)],
      ['Mobile', a.mobile ? 'yes' : 'no'],
    ];
    replaceKeeping(this.#facts, ...rows.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)]));
    this.#lists.replaceChildren(
      h('section', { class: 'card' }, h('h2', null, 'Channels'), h('div', { class: 'scroll' }, table('Channels', [['Number'], ['Peer'], ['Lasts', true]],
        a.channel_list.map((c) => [`0x${c.number.toString(16)}`, c.peer, duration(c.left_seconds)]), 'None'))),
      h('section', { class: 'card' }, h('h2', null, 'Permissions'), h('div', { class: 'scroll' }, table('Permissions', [['Peer'], ['Lasts', true]],
        a.permission_list.map((p) => [p.peer, duration(p.left_seconds)]), 'None'))));
  }

  #revokeButton(a) {
    return h('button', { type: 'button', class: 'danger', 'data-testid': 'revoke', onclick: () => this.#app.run(async () => {
      const sure = await confirmed({ title: 'Revoke this credential?', action: 'Revoke it',
        text: ['All allocations of ', named(a.user), ' end at once, and nobody gets in with this name until the credential expires or, of a static user, until the server is restarted.'] });
      if (!sure) return;
      await this.#app.api.post(['revocations'], { kind: 'credential', name: a.user });
      this.#app.notice('The credential was revoked.');
    }) }, 'Revoke its credential');
  }
}

export class Rooms {
  title = 'Rooms';
  #pages;

  constructor(app, place, _, query) {
    place.append(filters('rooms', h('h1', null, 'Rooms'), field('prefix', 'Names that begin with', query.get('prefix') ?? '')));
    const card = h('div', { class: 'card', 'data-testid': 'rooms' });
    place.append(card);
    this.#pages = new Pages(app, card, {
      caption: 'Rooms',
      columns: [['Room'], ['Members', true], ['Size', true], ['Locked']],
      ask: async (page) => {
        const { rooms, next } = await app.api.get(['rooms'], { prefix: query.get('prefix'), ...page });
        return { items: rooms, next };
      },
      row: (room) => [h('a', { href: `#/room/${encodeURIComponent(room.room)}`, 'data-key': room.room }, named(room.room)), count(room.members),
        room.size ? count(room.size) : 'as the server allows', room.locked ? 'yes' : 'no'],
    });
  }

  start() {
    return this.#pages.load();
  }
}

export class Room {
  title = 'Room';
  #pages;

  constructor(app, place, [room]) {
    place.append(h('div', { class: 'bar' }, h('h1', null, 'Room ', named(room, 400)),
      h('a', { href: `#/allocations?room=${encodeURIComponent(room)}` }, 'Its allocations'),
      h('button', { type: 'button', class: 'danger', 'data-testid': 'close-room', onclick: () => app.run(async () => {
        const sure = await confirmed({ title: 'Close this room?', text: ['All members of ', named(room), ' are removed, and lose their relays where credentials are bound to the room.'], action: 'Close it', withReason: true });
        if (!sure) return;
        await app.api.remove(['rooms'], { room, reason: sure.reason });
        app.go('#/rooms', 'The room was closed.');
      }) }, 'Close it')));
    const card = h('div', { class: 'card', 'data-testid': 'members' });
    place.append(card);
    this.#pages = new Pages(app, card, {
      caption: 'Members',
      columns: [['Member'], ['Subject'], ['Client'], ['Speaks'], ['Connected'], ['']],
      ask: async (page) => {
        const { members, next } = await app.api.get(['members'], { room, ...page });
        return { items: members, next };
      },
      row: (member) => [named(member.peer), named(member.subject ?? ''), member.elsewhere ? 'at another node' : member.client, member.dialect ?? '', member.lost ? 'lost, may resume' : 'yes', this.#kickButton(app, room, member)],
    });
  }

  start() {
    return this.#pages.load();
  }

  #kickButton(app, room, member) {
    return h('button', { type: 'button', class: 'danger small', 'data-testid': 'kick', onclick: (event) => app.run(async () => {
      const button = event.currentTarget;
      const sure = await confirmed({ title: 'Remove this member?', text: [named(member.peer), ' leaves the room ', named(room), '. It may come back, unless its token forbids that.'], action: 'Remove it', withReason: true });
      if (!sure) return;
      await app.api.remove(['members'], { room, peer: member.peer, reason: sure.reason });
      app.notice('The member was removed.');
      button.disabled = true;
      button.textContent = 'Removed';
    }) }, 'Kick');
  }
}
