import { describe, expect, it } from 'vitest';
import { app, task } from './fixtures';
import { countsOf, describeHealth, failureCauses, healthSegments, taskHealth } from './health';

const result = (alive: boolean, lastFailureCause?: string) => ({ instanceId: 'i', alive, consecutiveFailures: 0, lastFailureCause });

describe('health segments', () => {
  it.each([
    [{ instances: 4, running: 4, staged: 0, healthy: 3, unhealthy: 1 }, '3 healthy, 1 unhealthy'],
    [{ instances: 3, running: 1, staged: 1, healthy: 0, unhealthy: 0 }, '1 running, health unknown, 1 starting, 1 not running'],
    [{ instances: 2, running: 3, staged: 0, healthy: 3, unhealthy: 0 }, '3 healthy'],
    // Health is counted whether or not the task still runs.
    [{ instances: 1, running: 0, staged: 0, healthy: 1, unhealthy: 0 }, '1 healthy'],
    [{ instances: 0, running: 0, staged: 0, healthy: 0, unhealthy: 0 }, 'no instances'],
  ])('of %o are: %s', (counts, text) => {
    expect(describeHealth(healthSegments(counts))).toBe(text);
  });

  it('never lose a wanted instance', () => {
    for (let instances = 0; instances < 5; instances += 1) {
      for (let running = 0; running < 5; running += 1) {
        for (let healthy = 0; healthy <= running; healthy += 1) {
          const segments = healthSegments({ instances, running, staged: 0, healthy, unhealthy: 0 });
          const sum = segments.reduce((total, segment) => total + segment.count, 0);
          expect(sum).toBe(Math.max(instances, running));
        }
      }
    }
  });
});

it('absent counts are zero', () => {
  expect(countsOf(app('/a', { tasksRunning: undefined }))).toEqual({ instances: 1, running: 0, staged: 0, healthy: 0, unhealthy: 0 });
});

describe('the health of a task', () => {
  it.each([
    ['unchecked', [], 0],
    ['unknown', [], 1],
    ['unknown', [result(true)], 2],
    ['healthy', [result(true), result(true)], 2],
    ['unhealthy', [result(true), result(false)], 2],
    ['unhealthy', [result(false)], 2],
  ] as const)('is %s with results %o of %i checks', (expected, results, checks) => {
    expect(taskHealth(task('t', { healthCheckResults: [...results] }), checks)).toBe(expected);
  });

  it('is unhealthy for causes that are named once', () => {
    const results = [result(false, 'refused'), result(false, 'refused'), result(true, 'old'), result(false)];
    expect(failureCauses(task('t', { healthCheckResults: results }))).toEqual(['refused']);
  });
});
