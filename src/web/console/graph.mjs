// SPDX-License-Identifier: Apache-2.0
// Graphs of the last minutes. uPlot is a script of its own (vendor/uPlot.js).
import { h, say } from './dom.mjs';
import { duration } from './format.mjs';

const HEIGHT = 150;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** One graph. `series`: [{label, color (of the style sheet), field, rate, scale}]; `format`: of a value. */
export class Graph {
  #series;
  #format;
  #title;
  #place;
  #caption;
  #plot = null;
  #data = null;
  #observer = new ResizeObserver(() => this.#plot?.setSize({ width: this.#place.clientWidth, height: HEIGHT }));

  constructor(parent, { title, series, format }) {
    this.#series = series;
    this.#format = format;
    this.#title = title;
    this.#caption = h('p', { class: 'legend' });
    this.#place = h('div', { class: 'plot', 'aria-hidden': 'true' });
    parent.append(h('figure', { class: 'card' }, h('figcaption', null, h('h2', null, title), this.#caption), this.#place));
    this.#observer.observe(this.#place);
  }

  /** Made anew, in the colours of the scheme. */
  restyle() {
    this.#plot?.destroy();
    this.#plot = null;
    if (this.#data) this.#draw();
  }

  /** For the end: uPlot knows, and measures at each resize, what nobody has destroyed. */
  stop() {
    this.#observer.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
    this.#data = null;
  }

  show(timeline) {
    this.#data = timeline.columns(this.#series);
    this.#draw();
    this.#tell(this.#data[0].length - 1);
  }

  #draw() {
    if (this.#place.clientWidth === 0) return;
    if (this.#plot) this.#plot.setData(this.#data);
    else this.#plot = new globalThis.uPlot(this.#options(), this.#data, this.#place);
  }

  /** The legend is the graph's text, too: its newest values, or those below the pointer. */
  #tell(index) {
    const when = this.#data[0][index];
    const values = this.#series.map(({ label }, i) => `${label} ${this.#format(this.#data[i + 1][index])}`);
    const parts = when < -1 ? [...values, `${duration(-when)} ago`] : values;
    if (this.#caption.childElementCount !== parts.length) {
      this.#caption.replaceChildren(...parts.map((_, i) => h('span', { class: this.#series[i] ? `key ${this.#series[i].color}` : 'when' })));
    }
    parts.forEach((text, i) => say(this.#caption.children[i], text));
  }

  #options() {
    const axis = { stroke: style('--muted'), grid: { stroke: style('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    return {
      width: this.#place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: false }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((t) => (t === 0 ? 'now' : `−${duration(-t)}`)), space: 80, size: 26 },
        { ...axis, values: (_, ticks) => ticks.map((t) => this.#format(t)), size: 78, space: 34 },
      ],
      series: [{}, ...this.#series.map(({ label, color }) => ({ label, stroke: style(`--${color}`), width: 2, points: { show: false } }))],
      hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx ?? this.#data[0].length - 1)] },
    };
  }
}
