import { describe, expect, it } from 'vitest';
import { lineAt, locate, pathParts } from './jsonpath';

const text = `{
  "id": "/a",
  "env": {"A/B": "x}]", "quote\\"d": [1, 2]},
  "container": {"portMappings": [{"name": "one"}, {"name": "two"}]},
  "mem" : -1.5e3
}`;
const found = (path: string) => {
  const { from, to } = locate(text, path);
  return text.slice(from, to);
};

describe('a path leads to its value', () => {
  it.each([
    ['/id', '"/a"'],
    ['/mem', '-1.5e3'],
    ['/container/portMappings(1)/name', '"two"'],
    ['/container/portMappings(0)', '{"name": "one"}'],
    ['/env', '{"A/B": "x}]", "quote\\"d": [1, 2]}'],
    ['/env/quote"d(1)', '2'],
    ['/', text],
    ['', text],
    // What is not there: the innermost value that is.
    ['/missing', text],
    ['/container/portMappings(1)/labels', '{"name": "two"}'],
    ['/container/portMappings(9)', '[{"name": "one"}, {"name": "two"}]'],
    ['/id/deeper', '"/a"'],
  ])('%s', (path, value) => {
    expect(found(path)).toBe(value);
  });

  it('in a group too', () => {
    const group = '{"id":"/g","apps":[{"id":"a"},{"id":"b","cpus":"x"}]}';
    const { from, to } = locate(group, '/apps(1)/cpus');
    expect(group.slice(from, to)).toBe('"x"');
  });
});

it('a path is split into keys and indexes', () => {
  expect(pathParts('/a/b(0)(12)/c')).toEqual(['a', 'b', 0, 12, 'c']);
  expect(pathParts('/apps//prod/web')).toEqual(['apps', 'prod', 'web']);
});

it('a text that is not JSON has no places', () => {
  for (let length = 0; length < text.length; length += 1) {
    expect(locate(text.slice(0, length), '/container/portMappings(1)/name')).toEqual({ from: 0, to: 0 });
  }
});

it('lines count from one', () => {
  expect(lineAt('a\nb\nc', 0)).toBe(1);
  expect(lineAt('a\nb\nc', 4)).toBe(3);
});
