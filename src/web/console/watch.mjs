// SPDX-License-Identifier: Apache-2.0
// Asks the server for its numbers again and again, one question at a time. Knows nothing of the page.

/** Milliseconds between an answer and the next question; while nobody looks. Browsers let a tab in the background do something
 *  once a minute at the least. */
const PERIOD = 2000;
const SELDOM = 10_000;

export class Watch {
  #about;
  #timer = null;
  #asking = false;
  #stopped = false;
  #heard;
  /** When the first question that is without an answer was asked; null: there is none. */
  #since = null;

  /** `about`: {ask: () → promise, took: (answer), failed: (error), hidden: () → nobody looks}; the rest is the browser's. */
  constructor(about) {
    this.#about = { now: () => performance.now(), later: (what, ms) => setTimeout(what, ms), never: (timer) => clearTimeout(timer), ...about };
    this.#heard = this.#about.now();
    this.#plan();
  }

  stop() {
    this.#stopped = true;
    this.#about.never(this.#timer);
  }

  /** Asks now, unless it does. */
  async look() {
    if (this.#asking || this.#stopped) return;
    this.#about.never(this.#timer);
    this.#asking = true;
    this.#since ??= this.#about.now();
    const { answer, error } = await this.#about.ask().then((said) => ({ answer: said }), (why) => ({ error: why }));
    this.#asking = false;
    if (this.#stopped) return;
    this.#plan();
    if (error) return void this.#about.failed(error);
    this.#heard = this.#about.now();
    this.#since = null;
    this.#about.took(answer);
  }

  /** Seconds for which the server has let us wait: nobody is silent who was not asked. */
  get silent() {
    if (this.#since === null) return 0;
    return (this.#about.now() - Math.max(this.#heard, this.#since - PERIOD)) / 1000;
  }

  #plan() {
    this.#timer = this.#about.later(() => this.look(), this.#about.hidden() ? SELDOM : PERIOD);
  }
}
