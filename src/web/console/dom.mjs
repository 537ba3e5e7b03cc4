// SPDX-License-Identifier: Apache-2.0
// Elements out of values. What comes from clients becomes text, never markup.
import { byteLength } from './format.mjs';

/** An element. `about`: attributes; functions are listeners ("onclick"), false and null are left out. Children: nodes, texts, lists. */
export function h(tag, about, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(about ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Sets a text only where it changes, so that nothing is read out twice and no selection is lost. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A name of a client's on its own: bounded, and set apart from the direction of what is around it. */
export const named = (text, most = 80) => {
  const all = [...String(text)];
  return h('bdi', { title: all.length > most ? text : null }, all.length > most ? `${all.slice(0, most).join('')}…` : text);
};

const cellsOf = (columns, cells) => h('tr', null, cells.map((content, i) => h('td', { class: columns[i][1] ? 'num' : null }, content)));

/** A table. `columns`: [heading, numeric?]; `rows`: lists of cells. */
export function table(caption, columns, rows, empty) {
  return h('table', { },
    h('caption', { class: 'sr' }, caption),
    h('thead', null, h('tr', null, columns.map(([heading, numeric]) => h('th', { scope: 'col', class: numeric ? 'num' : null }, heading)))),
    h('tbody', null, rows.length > 0 ? rows.map((cells) => cellsOf(columns, cells))
      : h('tr', null, h('td', { colspan: columns.length, class: 'none' }, empty))));
}

/** More rows for a table() that has some; those that are there stay as they are. */
export function addRows(element, columns, rows) {
  element.querySelector('tbody').append(...rows.map((cells) => cellsOf(columns, cells)));
}

/** What the server takes, signal/router.hpp: kMaxReasonBytes. */
const REASON = 256;
/** Closes a dialog that is open, with a no. */
let dismiss = () => {};

/** A no to whatever is asked. */
export const dismissed = () => dismiss();

/** Asks before something is done; the answer is null, or {reason}. `text`: what a paragraph holds. */
export function confirmed({ title, text, action, withReason = false }) {
  const { showing, resolve } = later();
  const reason = h('input', { id: 'reason', autocomplete: 'off', 'aria-describedby': 'reason-problem' });
  const problem = h('p', { id: 'reason-problem', class: 'problem', role: 'alert' });
  let done = false;
  const over = (answer) => {
    if (done) return;
    done = true;
    resolve(answer);
    dismiss = () => {};
    dialog.close();
    dialog.remove();
  };
  const agree = () => {
    // Bytes, as the server counts: a letter that is not of ASCII has two or more.
    const size = byteLength(reason.value);
    if (size <= REASON) return over({ reason: reason.value });
    say(problem, `Too long: ${size} bytes, of ${REASON} at most. Letters with accents and of other scripts count double or more.`);
    reason.focus();
  };
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', 'data-testid': 'dialog', onclose: () => over(null) },
    h('h2', { id: 'dialog-title' }, title),
    h('p', null, text),
    withReason ? [h('label', null, 'Reason, for them to read', reason), problem] : null,
    h('div', { class: 'buttons' },
      h('button', { type: 'button', onclick: () => over(null) }, 'Cancel'),
      h('button', { type: 'button', class: 'danger', 'data-testid': 'confirm', onclick: agree }, action)));
  dismiss();
  dismiss = () => over(null);
  document.body.append(dialog);
  dialog.showModal();
  return showing;
}

function later() {
  let resolve;
  const showing = new Promise((done) => { resolve = done; });
  return { showing, resolve };
}

/** Replaces what is in there; what had the focus there has it again, found by its data-key. */
export function replaceKeeping(place, ...children) {
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...children.filter(Boolean));
  if (key) [...place.querySelectorAll('[data-key]')].find((element) => element.dataset.key === key)?.focus({ preventScroll: true });
}
