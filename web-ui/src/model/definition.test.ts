import { describe, expect, it } from 'vitest';
import { changedFields, definitionOf, readDraft, SAMPLE_APP } from './definition';
import { app } from './fixtures';

it('a definition holds what the owner decides and nothing that is observed', () => {
  const answer = app('/a', { tasks: [], tasksStaged: 0, versionInfo: { lastScalingAt: 'x', lastConfigChangeAt: 'x' }, labels: {} });
  expect(definitionOf(answer)).toEqual({ id: '/a', instances: 1, cpus: 0.5, mem: 64, labels: {} });
});

describe('a draft', () => {
  it.each([
    ['{"id": "/a", "cmd": "true"}', 'app'],
    ['{"id": "/g", "apps": []}', 'group'],
    ['{"id": "/g", "groups": []}', 'group'],
    ['{', 'unreadable'],
    ['[]', 'unreadable'],
    ['null', 'unreadable'],
    ['"text"', 'unreadable'],
    // Without an id of its own a group would replace the root: everything.
    ['{"apps": []}', 'unreadable'],
    ['{"id": "/", "apps": []}', 'unreadable'],
    ['{"id": 1, "apps": []}', 'unreadable'],
  ])('%s is: %s', (text, kind) => {
    expect(readDraft(text).kind).toBe(kind);
  });

  it('is readable as offered', () => {
    expect(readDraft(JSON.stringify(SAMPLE_APP))).toEqual({ kind: 'app', body: SAMPLE_APP });
  });
});

describe('the changed fields', () => {
  it('are those whose values differ, whatever the order of their members', () => {
    const from = { id: '/a', env: { A: '1', B: '2' }, instances: 1, cmd: 'old', version: '1' };
    const to = { id: '/a', env: { B: '2', A: '1' }, instances: 2, user: 'root', version: '2' };
    expect(changedFields(from, to)).toEqual([
      { field: 'cmd', from: '"old"', to: '–' },
      { field: 'instances', from: '1', to: '2' },
      { field: 'user', from: '–', to: '"root"' },
    ]);
  });

  it('tell another order of a list', () => {
    expect(changedFields({ args: ['a', 'b'] }, { args: ['b', 'a'] })).toHaveLength(1);
  });
});
