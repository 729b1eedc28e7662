import { describe, expect, it } from 'vitest';
import type { App, QueueItem } from '../api/types';
import { app, queued } from './fixtures';
import { appStatus, queueByApp, type AppStatus } from './status';

const backingOff = { delay: { timeLeftSeconds: 12, overdue: false } };

describe('the status of an app', () => {
  // The first rule that holds wins: each row holds all later rules too, where that is possible.
  const suspended = app('/a', { instances: 0, tasksRunning: 0 });
  const none = app('/a', { tasksRunning: 0 });
  it.each<[AppStatus, App, QueueItem | undefined]>([
    ['deploying', { ...suspended, deployments: [{ id: 'd' }] }, queued(suspended, backingOff)],
    ['suspended', suspended, queued(suspended, backingOff)],
    ['delayed', none, queued(none, backingOff)],
    ['waiting', app('/a', { instances: 2 }), queued(none)],
    ['waiting', none, undefined],
    ['running', app('/a'), undefined],
    ['running', app('/a', { instances: 0, tasksRunning: 2 }), undefined],
  ])('is %s', (expected, one, item) => {
    expect(appStatus(one, item)).toBe(expected);
  });

  it('is not delayed by a back-off that is over', () => {
    const over = { delay: { timeLeftSeconds: 12, overdue: true } };
    expect(appStatus(app('/a', { instances: 2 }), queued(app('/a'), over))).toBe('waiting');
  });

  it('is running when the queue has nothing left to launch', () => {
    expect(appStatus(app('/a'), queued(app('/a'), { count: 0 }))).toBe('running');
  });

  it('takes absent counts for zero', () => {
    expect(appStatus(app('/a', { tasksRunning: undefined, deployments: undefined }))).toBe('waiting');
  });
});

it('the queue is found by app, and pods are left out', () => {
  const item = queued(app('/a'));
  const byApp = queueByApp([item, { ...item, app: undefined, pod: { id: '/p' } }]);
  expect([...byApp.keys()]).toEqual(['/a']);
});
