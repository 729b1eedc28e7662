import { describe, expect, it } from 'vitest';
import { app, deployment, task } from './fixtures';
import { actionProgress, actionVerb, currentApps, progressOf, stepState } from './deployment';

it.each([
  [0, 2, 0],
  [1, 2, 0],
  [2, 2, 0.5],
  [3, 4, 0.5],
  [0, 0, 1],
])('at step %i of %i the share %f is done', (currentStep, totalSteps, fraction) => {
  expect(progressOf(deployment({ currentStep, totalSteps })).fraction).toBe(fraction);
});

it('steps before the current one are done, later ones ahead', () => {
  const running = deployment({ currentStep: 2, totalSteps: 3 });
  expect([0, 1, 2].map((index) => stepState(running, index))).toEqual(['done', 'current', 'ahead']);
});

it('a planned deployment has all its steps ahead', () => {
  expect([0, 1].map((index) => stepState(deployment({ currentStep: 0 }), index))).toEqual(['ahead', 'ahead']);
});

describe('the progress of an action', () => {
  const restart = { action: 'RestartApplication', app: '/a' };
  const old = { version: '2026-03-01T00:00:00.000Z' };
  const alive = [{ instanceId: 'i', alive: true, consecutiveFailures: 0 }];

  it('counts ready tasks of the present configuration, and old ones as leaving', () => {
    const tasks = [
      task('new', { healthCheckResults: alive }),
      task('unchecked', {}),
      task('staged', { state: 'TASK_STAGING' }),
      task('old', { ...old, healthCheckResults: alive }),
    ];
    expect(actionProgress(restart, app('/a', { instances: 3, tasks, healthChecks: [{}] }))).toEqual({ ready: 1, wanted: 3, leaving: 1 });
  });

  it('needs no health where nothing is checked', () => {
    expect(actionProgress(restart, app('/a', { tasks: [task('t')] }))).toEqual({ ready: 1, wanted: 1, leaving: 0 });
  });

  it('compares with the last change of the configuration, not with a mere scaling', () => {
    const scaled = app('/a', {
      version: '2026-03-05T00:00:00.000Z',
      versionInfo: { lastScalingAt: '2026-03-05T00:00:00.000Z', lastConfigChangeAt: '2026-03-04T05:06:07.000Z' },
      tasks: [task('t')],
    });
    expect(actionProgress(restart, scaled)).toEqual({ ready: 1, wanted: 1, leaving: 0 });
  });

  it('counts surplus tasks as leaving', () => {
    const tasks = [task('1'), task('2'), task('3')];
    expect(actionProgress({ action: 'ScaleApplication', app: '/a' }, app('/a', { tasks }))).toEqual({ ready: 1, wanted: 1, leaving: 2 });
  });

  it('of a stop counts what is left', () => {
    const stop = { action: 'StopApplication', app: '/a' };
    expect(actionProgress(stop, app('/a', { tasks: [task('1')] }))?.leaving).toBe(1);
    expect(actionProgress(stop, undefined)?.leaving).toBe(0);
  });

  it('is unknown until the app was read', () => {
    expect(actionProgress(restart, undefined)).toBeUndefined();
  });
});

it('actions have words, and unknown ones keep their name', () => {
  expect(actionVerb({ action: 'StartApplication' })).toBe('start');
  expect(actionVerb({ action: 'DanceApplication' })).toBe('DanceApplication');
});

it('the apps at work are named once', () => {
  const actions = [{ action: 'StartApplication', app: '/a' }, { action: 'ScaleApplication', app: '/a' }, { action: 'StartPod', pod: '/p' }];
  expect(currentApps(deployment({ currentActions: actions }))).toEqual(['/a']);
});
