import { describe, expect, it } from 'vitest';
import { gistOf, keep, KEPT_EVENTS, matches, subjectOf } from './eventlog';

const event = (type: string, data: Record<string, unknown>) => ({ id: '1', type, data });

it('only the newest events are kept', () => {
  const many = Array.from({ length: KEPT_EVENTS + 3 }, (_, number) => ({ ...event('x', {}), number }));
  const kept = keep(many.slice(0, KEPT_EVENTS), many.slice(KEPT_EVENTS));
  expect(kept).toHaveLength(KEPT_EVENTS);
  expect(kept[0]?.number).toBe(3);
  expect(kept.at(-1)?.number).toBe(KEPT_EVENTS + 2);
});

it.each([
  [{ appId: '/a' }, '/a'],
  [{ runSpecId: '/b' }, '/b'],
  [{ groupId: '/g' }, '/g'],
  [{ appDefinition: { id: '/c' } }, '/c'],
  [{ plan: { id: 'd' } }, 'd'],
  [{ remoteAddress: '10.0.0.1' }, '10.0.0.1'],
  [{}, ''],
])('%o is about "%s"', (data, subject) => {
  expect(subjectOf(event('x', data))).toBe(subject);
});

it.each([
  [{ taskStatus: 'TASK_FAILED', host: 'h', message: 'exit 1' }, 'TASK_FAILED · h · exit 1'],
  [{ healthy: false }, 'unhealthy'],
  [{ healthy: null }, ''],
  [{ condition: 'Scheduled', host: null }, 'Scheduled'],
  [{ currentStep: { actions: [{ action: 'StartApplication', app: '/a' }] } }, 'StartApplication /a'],
])('%o says "%s"', (data, gist) => {
  expect(gistOf(event('x', data))).toBe(gist);
});

describe('a filter', () => {
  const one = event('status_update_event', { appId: '/shop/web', taskStatus: 'TASK_RUNNING' });
  it.each([
    ['', true],
    ['  ', true],
    ['shop/web', true],
    ['STATUS running', true],
    ['status failed', false],
  ])('"%s" lets it pass: %s', (filter, expected) => {
    expect(matches(one, filter)).toBe(expected);
  });
});
