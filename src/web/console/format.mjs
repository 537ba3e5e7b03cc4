// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them. Pure.

const trimmed = (value, digits) => Number(value.toPrecision(digits)).toString();

/** 1234567 with steps of `base`: "1.23 M". */
function scaled(value, base, units, digits = 3) {
  let unit = 0;
  let rest = Math.abs(value);
  // 999.6 would be shown as 1000.
  while ((rest >= base || Number(rest.toPrecision(digits)) >= base) && unit + 1 < units.length) {
    rest /= base;
    unit++;
  }
  const text = rest < base && rest >= 1000 ? Math.round(rest).toString() : trimmed(rest, digits);
  return `${value < 0 ? '-' : ''}${text}${units[unit] ? ` ${units[unit]}` : ''}`;
}

const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** Bits a second. */
export const bits = (value) => (known(value) ? scaled(value, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']) : '–');

/** Bytes of storage or traffic. */
export const bytes = (value) => (known(value) ? scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']) : '–');

/** A count, whole where that is readable. */
export function count(value) {
  if (!known(value)) return '–';
  return Math.abs(value) < 100_000 ? Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, '\u202f')
    : scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** How often a second. Never "0" for what happens at all. */
export function rate(value) {
  if (!known(value)) return '–';
  if (value === 0) return '0';
  if (value < 0.01) return 'under 0.01/s';
  return `${value < 10 ? trimmed(value, 2) : scaled(value, 1000, ['', 'k', 'M', 'G'])}/s`;
}

/** "1 packet/s", "12 k packets/s". */
export const each = (value, one, many = `${one}s`) => `${rate(value).replace(/\/s$/, '')} ${value === 1 ? one : many}/s`;

/** A part of 1. Neither nothing nor everything is said of what is not. */
export function percent(part) {
  if (!known(part)) return '–';
  const value = part * 100;
  if (value > 0 && value < 0.1) return 'under 0.1 %';
  const digits = value < 10 || (value > 99 && value < 100) ? 1 : 0;
  const text = value.toFixed(digits);
  return `${Number(text) >= 100 && value < 100 ? '99.9' : Number(text)} %`;
}

/** Seconds, in its two largest units. */
export function duration(seconds) {
  if (!known(seconds)) return '–';
  let left = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [name, size] of [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]]) {
    const whole = Math.floor(left / size);
    left -= whole * size;
    if (whole > 0 || (name === 's' && parts.length === 0)) parts.push(`${whole} ${name}`);
    else if (parts.length > 0) parts.push('');
    if (parts.length === 2) break;
  }
  return parts.filter(Boolean).join(' ');
}

/** Bytes of a text as it is sent. */
export const byteLength = (text) => new TextEncoder().encode(text).length;

/** "1 room", "2 rooms". */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** "wrong_password" as words. */
export const words = (name) => String(name).replaceAll('_', ' ');
