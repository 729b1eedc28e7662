import { expect, it } from 'vitest';
import { extend, FIRST_READ, KEPT_CHARACTERS, openTail } from './tail';

it('a short file is read from its start', () => {
  expect(openTail(100)).toEqual({ text: '', next: 0, cut: false });
});

it('a long file is read from near its end, without the broken first line', () => {
  const tail = extend(openTail(FIRST_READ + 50), 'oken line\nwhole line\n');
  expect(tail).toEqual({ text: 'whole line\n', next: 50 + 21, cut: true });
});

it('positions count bytes, not characters', () => {
  expect(extend(openTail(0), 'grün 🙂').next).toBe(10);
});

it('nothing new changes nothing', () => {
  const tail = extend(openTail(0), 'a');
  expect(extend(tail, '')).toBe(tail);
});

it('old lines go when too much is kept', () => {
  const line = `${'x'.repeat(99)}\n`;
  const tail = extend(extend(openTail(0), line.repeat(KEPT_CHARACTERS / 100)), line.repeat(50));
  expect(tail.text.length).toBeLessThanOrEqual(KEPT_CHARACTERS);
  expect(tail.text.startsWith('xxx')).toBe(true);
  expect(tail.text.length % 100).toBe(0);
  expect(tail.cut).toBe(true);
});
