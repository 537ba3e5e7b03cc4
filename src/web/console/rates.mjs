// SPDX-License-Identifier: Apache-2.0
// From counters to rates: two answers of /v1/stats, and the moments of graphs. Pure.

const number = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

/** The number at a path of names; 0: it is not told, since nothing happened. */
export function at(stats, path) {
  let node = stats;
  for (const name of path) node = node?.[name];
  return number(node);
}

/** All numbers below a path, added up but for the names in `without`. */
export function total(stats, path, without = []) {
  let node = stats;
  for (const name of path) node = node?.[name];
  if (typeof node === 'number') return number(node);
  let sum = 0;
  for (const [name, value] of Object.entries(node ?? {})) {
    if (without.includes(name)) continue;
    sum += typeof value === 'object' ? total(value, [], without) : number(value);
  }
  return sum;
}

/** When the server started, as far as clocks tell: answers have whole seconds. */
const started = (stats) => stats.time - stats.uptime_seconds;
const SAME_START = 2;
/** So many times as long as asked for a rate may reach back where answers were far apart (a tab in the background). */
const FAR = 3;

/** Keeps answers for some seconds and tells how fast counters grow. A restart of the server, or a long silence, begins anew. */
export class Rates {
  #seconds;
  #kept = [];

  constructor(seconds = 30) {
    this.#seconds = seconds;
  }

  /** What the answer is: "next", or "restart"; "late" when it is not newer than the newest one, and of no use. */
  push(stats) {
    const last = this.now;
    const restart = last !== undefined && Math.abs(started(stats) - started(last)) > SAME_START;
    if (restart) this.#kept = [];
    else if (last && stats.uptime_seconds <= last.uptime_seconds) return 'late';
    this.#kept.push(stats);
    while (stats.uptime_seconds - this.#kept[0].uptime_seconds > FAR * this.#seconds) this.#kept.shift();
    // The oldest one that is kept is as old as asked for, or older.
    while (this.#kept.length > 2 && stats.uptime_seconds - this.#kept[1].uptime_seconds >= this.#seconds) this.#kept.shift();
    return restart ? 'restart' : 'next';
  }

  /** The newest answer. */
  get now() {
    return this.#kept.at(-1);
  }

  /** Seconds that the rates are of; 0: there are none yet. */
  get span() {
    return this.#kept.length < 2 ? 0 : this.now.uptime_seconds - this.#kept[0].uptime_seconds;
  }

  /** A second, of the number at a path. */
  of(...path) {
    return this.#grown((stats) => at(stats, path));
  }

  /** A second, of all numbers below a path but those of some names. */
  ofAll(path, without = []) {
    return this.#grown((stats) => total(stats, path, without));
  }

  /** The rows of a table by reason, [{name, rate, total}], the fastest first. */
  rows(...path) {
    let node = this.now;
    for (const name of path) node = node?.[name];
    return Object.entries(node ?? {})
      .map(([name, value]) => ({ name, total: number(value), rate: this.of(...path, name) }))
      .sort((a, b) => b.rate - a.rate || b.total - a.total);
  }

  /** The name of what grows fastest; nothing: nothing grows. */
  most(path, without = []) {
    return this.rows(...path).find((row) => row.rate > 0 && !without.includes(row.name))?.name;
  }

  #grown(value) {
    return this.span > 0 ? Math.max(0, value(this.now) - value(this.#kept[0])) / this.span : 0;
  }
}

/** The moments of the last minutes, for graphs. */
export class Timeline {
  #seconds;
  #moments = [];

  constructor(seconds = 600) {
    this.#seconds = seconds;
  }

  /** The columns of /v1/history. */
  load(columns) {
    const fields = Object.entries(columns ?? {}).filter(([, values]) => Array.isArray(values));
    for (let i = 0; i < (columns?.at?.length ?? 0); i++) {
      this.push(Object.fromEntries(fields.map(([name, values]) => [name, values[i]])));
    }
  }

  /** What is not newer than the newest one is left out. A server that has started anew needs a new timeline. */
  push(moment) {
    const last = this.#moments.at(-1);
    if (last && moment.at <= last.at) return;
    this.#moments.push(moment);
    while (moment.at - this.#moments[0].at > this.#seconds) this.#moments.shift();
  }

  get size() {
    return this.#moments.length;
  }

  /** Columns for a graph: times as seconds before the newest moment, then each of `series` ({field, rate, scale}). Where nothing was
   *  heard for long, there is a gap. */
  columns(series, gap = 15) {
    const end = this.#moments.at(-1)?.at ?? 0;
    const out = [[], ...series.map(() => [])];
    for (const [i, moment] of this.#moments.entries()) {
      const before = this.#moments[i - 1];
      const passed = before ? moment.at - before.at : 0;
      if (!before) continue;
      out[0].push(moment.at - end);
      for (const [n, { field, rate, scale = 1 }] of series.entries()) {
        const value = rate ? Math.max(0, number(moment[field]) - number(before[field])) / passed : number(moment[field]);
        out[n + 1].push(passed > gap ? null : value * scale);
      }
    }
    return out;
  }
}
