import { expect, it } from 'vitest';
import { extend, FIRST_READ, KEPT_CHARACTERS, openTail, READ_LENGTH, wanted } from './tail';

it('a short file is read from its start', () => {
  expect(openTail(100)).toEqual({ text: '', next: 0, cut: false });
});

it('a long file is read from near its end, without the broken first line', () => {
  const tail = extend(openTail(FIRST_READ + 50), 'oken line\nwhole line\n', 21);
  expect(tail).toEqual({ text: 'whole line\n', next: 50 + 21, cut: true });
});

it('no more is asked for than there is, nor than is good at once', () => {
  expect(wanted(openTail(100), 300)).toBe(300);
  expect(wanted({ text: '', next: 10, cut: false }, 10)).toBe(0);
  expect(wanted(openTail(0), 10 * READ_LENGTH)).toBe(READ_LENGTH);
});

it('positions count bytes, not characters', () => {
  expect(extend(openTail(0), 'grün 🙂', 10).next).toBe(10);
});

it('a character of which a part is written is read again when it is whole', () => {
  const first = extend(openTail(0), 'gr\uFFFD', 3);
  expect(first).toMatchObject({ text: 'gr', next: 2 });
  expect(extend(first, '\uFFFD', 1)).toBe(first);
  expect(extend(first, 'ün', 3)).toMatchObject({ text: 'grün', next: 5 });
});

it('bytes that are no text do not shift the position', () => {
  expect(extend(openTail(0), 'a\uFFFD\uFFFDb', 4)).toMatchObject({ text: 'a\uFFFD\uFFFDb', next: 4 });
  expect(extend(openTail(0), '\uFFFD\uFFFD', 40).next).toBe(40);
});

it('nothing new changes nothing', () => {
  const tail = extend(openTail(0), 'a', 1);
  expect(extend(tail, '', 5)).toBe(tail);
});

it('old lines go when too much is kept', () => {
  const line = `${'x'.repeat(99)}\n`;
  const tail = extend(extend(openTail(0), line.repeat(KEPT_CHARACTERS / 100), KEPT_CHARACTERS), line.repeat(50), 5_000);
  expect(tail.text.length).toBeLessThanOrEqual(KEPT_CHARACTERS);
  expect(tail.text.startsWith('xxx')).toBe(true);
  expect(tail.text.length % 100).toBe(0);
  expect(tail.cut).toBe(true);
});
