// SPDX-License-Identifier: Apache-2.0
// The admin API. The token goes into a header, never into a URL.

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Api {
  #token;
  #base;
  #fetch;

  /** `base`: the URL of v1/, absolute. */
  constructor(token, base, fetch = (...args) => globalThis.fetch(...args)) {
    this.#token = token;
    this.#base = base;
    this.#fetch = fetch;
  }

  get(path, query = {}) {
    return this.#ask('GET', path, query);
  }

  remove(path, query = {}) {
    return this.#ask('DELETE', path, query);
  }

  post(path, body) {
    return this.#ask('POST', path, {}, body);
  }

  /** `path`: segments of our own words and ids. Names belong in the query, where what is empty is left out. */
  async #ask(method, path, query, body) {
    // Browsers take ".." for a step, escaped or not (WHATWG URL §4.4), and many a proxy takes %2F for a slash: what was meant
    // for a member would be done to its room, or to another one.
    if (!path.every((part) => /^[\w-]+$/.test(part))) throw new ApiError(0, 'no_such_name', 'there is no such thing');
    const url = new URL(path.join('/'), this.#base);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    const headers = { Authorization: `Bearer ${this.#token}`, Accept: 'application/json' };
    if (body) headers['Content-Type'] = 'application/json';
    let answer;
    try {
      answer = await this.#fetch(url, { method, headers, body: body && JSON.stringify(body), cache: 'no-store',
        // What a proxy in front asks for: a client certificate, a cookie of its login (Fetch §2.2). The server itself has none.
        credentials: 'same-origin',
        redirect: 'error', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(8000) });
    } catch (error) {
      throw new ApiError(0, 'unreachable', error.name === 'TimeoutError' ? 'the server did not answer in time' : 'the server does not answer');
    }
    const said = await answer.json().catch(() => null);
    if (!answer.ok) throw new ApiError(answer.status, said?.error ?? 'error', said?.message ?? `status ${answer.status}`);
    return said ?? {};
  }
}
