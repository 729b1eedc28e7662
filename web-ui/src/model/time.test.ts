import { expect, it } from 'vitest';
import { ago, clock, duration } from './time';

it.each([
  [-5, '0s'],
  [0.9, '0s'],
  [59, '59s'],
  [60, '1m'],
  [200, '3m 20s'],
  [3_600, '1h'],
  [3_601, '1h'],
  [7_500, '2h 5m'],
  [90_000, '1d 1h'],
])('%f seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

it.each([
  ['2026-03-04T05:06:07.000Z', '10s ago'],
  ['2026-03-04T05:06:16.500Z', 'just now'],
  ['2026-03-04T05:07:00.000Z', 'just now'], // a clock ahead of ours
  ['2026-03-04T05:06:07Z', '10s ago'],
  [undefined, '–'],
  ['nonsense', '–'],
])('%s was %s', (timestamp, text) => {
  expect(ago(timestamp, Date.parse('2026-03-04T05:06:17.000Z'))).toBe(text);
});

it('a clock shows local time to the second', () => {
  expect(clock(new Date(2026, 2, 4, 5, 6, 7).toISOString())).toBe('2026-03-04 05:06:07');
  expect(clock(undefined)).toBe('–');
});
