import { expect, it } from 'vitest';
import { cpus, mebibytes, plural, shortTask } from './format';

it('sums of CPUs have no rounding noise', () => {
  expect(cpus(0.1 + 0.2)).toBe('0.3');
  expect(cpus(12)).toBe('12');
});

it.each([
  [32, '32 MiB'],
  [1536, '1.5 GiB'],
  [2 * 1024 * 1024, '2 TiB'],
])('%i MiB read %s', (value, text) => {
  expect(mebibytes(value)).toBe(text);
});

it('one is not many', () => {
  expect([plural(1, 'app'), plural(0, 'app'), plural(2, 'entry', 'entries')]).toEqual(['1 app', '0 apps', '2 entries']);
});

it.each([
  ['shop_web.instance-1f0e2d3c-17a1-11f1-9d2b-0242ac110002._app.2', '1f0e2d3c….2'],
  ['shop_web.1f0e2d3c-17a1-11f1-9d2b-0242ac110002', 'shop_web.1f0e2d3c-17a1-11f1-9d2b-0242ac110002'],
])('%s is shown as %s', (id, text) => {
  expect(shortTask(id)).toBe(text);
});
