// SPDX-License-Identifier: Apache-2.0
// What turnstone.js loads where WebSockets do not get through, and takes for one: events down, POSTs up.

const BATCH = 16_384, RETRY_MS = 1_000;

export class EventLink {
  readyState = 0;
  #url; #stop = new AbortController(); #queue = []; #busy; #idle; #number = 0;
  // Also if the page is kept to come back to: its streams are not.
  #onHide = () => navigator.sendBeacon(this.#url, '{"t":"bye"}');

  constructor(url) {
    this.#url = new URL('events', url.replace(/^ws/, 'http'));
    this.#run();
  }

  send(text) {
    this.#queue.push(text);
    this.#flush();
  }

  // Without a code, what waits is sent first.
  close(code) {
    this.readyState = Math.max(this.readyState, 2);
    if (code || !this.#busy) this.#stop.abort();
  }

  // Not an EventSource, which comes back by itself and is a second connection then.
  async #run() {
    let end = { code: 1006 }, text = '';
    try {
      const { ok, body } = await fetch(this.#url, { cache: 'no-store', signal: this.#stop.signal });
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part; ok && !(part = await reader.read()).done;) {
        const blocks = (text + part.value).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) end = this.#event(block) ?? end;
      }
    } catch { /* closed here, or the network is gone */ }
    this.readyState = 3;
    // Chromium ends the streams of a page that goes first, and hides it then.
    setTimeout(() => globalThis.removeEventListener?.('pagehide', this.#onHide), RETRY_MS);
    this.#stop.abort();
    this.onclose?.(end);
  }

  #event(block) {
    const data = block.split('\n').filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)).join('\n');
    if (block.startsWith('event: close\n')) return JSON.parse(data);
    if (block.startsWith('event: connection\n')) {
      this.#url.searchParams.set('c', JSON.parse(data).c);
      this.readyState = 1;
      globalThis.addEventListener?.('pagehide', this.#onHide);
      this.onopen?.();
    } else if (data) {
      this.onmessage?.({ data });
    } else { // A comment. Timers of a page in the background sleep; this does not.
      if (this.#idle) this.#flush(true);
      this.#idle = true;
    }
  }

  // One POST at a time, or the order would be lost.
  async #flush(beat) {
    if (this.#busy) return;
    this.#busy = true;
    await null; // what else this turn brings
    for (; (beat || this.#queue.length) && !this.#stop.signal.aborted; beat = false) {
      let count = 0, size = 0;
      for (const text of this.#queue) if ((size += text.length) < BATCH || !count) count++; else break;
      this.#idle = false;
      await this.#post(this.#queue.splice(0, count));
    }
    this.#busy = false;
    if (this.readyState === 2) this.#stop.abort();
  }

  async #post(batch) {
    const url = new URL(this.#url), { signal } = this.#stop, body = batch.join('\n');
    url.searchParams.set('n', ++this.#number);
    while (!signal.aborted) {
      let status;
      try {
        ({ status } = await fetch(url, { method: 'POST', body, signal, keepalive: this.readyState === 2 }));
      } catch { /* sent again under the same number, it is taken once */ }
      if (status === 204) return;
      if (status === 413) { // else it would be sent again after each resume
        this.#number--;
        return this.onmessage?.({ data: JSON.stringify({ t: 'error', id: JSON.parse(batch[0]).id, code: 'too_large' }) });
      }
      await new Promise((done) => setTimeout(done, RETRY_MS)); // or until the stream tells its end, and why
      if (status < 500) this.#stop.abort();
    }
  }
}
