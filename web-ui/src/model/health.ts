import type { App, Task } from '../api/types';

export type HealthKind = 'healthy' | 'unhealthy' | 'unknown' | 'staged' | 'missing';

export interface Segment {
  kind: HealthKind;
  count: number;
}

/** What the segments are computed from: an app's counts, or the sums of a group. */
export interface Counts {
  instances: number;
  running: number;
  staged: number;
  healthy: number;
  unhealthy: number;
}

/** The counts of an app; absent ones are zero. */
export function countsOf(app: App): Counts {
  return {
    instances: app.instances,
    running: app.tasksRunning ?? 0,
    staged: app.tasksStaged ?? 0,
    healthy: app.tasksHealthy ?? 0,
    unhealthy: app.tasksUnhealthy ?? 0,
  };
}

/**
 * The parts of a health bar, without empty ones. `unknown` are running tasks without a verdict (no check, or none done
 * yet), `missing` are instances that should exist and have no task.
 */
export function healthSegments(counts: Counts): Segment[] {
  const judged = counts.healthy + counts.unhealthy;
  const unknown = Math.max(0, counts.running - judged);
  const missing = Math.max(0, counts.instances - judged - unknown - counts.staged);
  const all: Segment[] = [
    { kind: 'healthy', count: counts.healthy },
    { kind: 'unhealthy', count: counts.unhealthy },
    { kind: 'unknown', count: unknown },
    { kind: 'staged', count: counts.staged },
    { kind: 'missing', count: missing },
  ];
  return all.filter((segment) => segment.count > 0);
}

export const HEALTH_LABELS: Record<HealthKind, string> = {
  healthy: 'healthy',
  unhealthy: 'unhealthy',
  unknown: 'running, health unknown',
  staged: 'starting',
  missing: 'not running',
};

/** A health bar in words: `3 healthy, 1 starting`. */
export function describeHealth(segments: readonly Segment[]): string {
  if (segments.length === 0) return 'no instances';
  return segments.map(({ kind, count }) => `${count} ${HEALTH_LABELS[kind]}`).join(', ');
}

export type TaskHealth = 'healthy' | 'unhealthy' | 'unknown' | 'unchecked';

/** Verdict on one task: unhealthy if any check says so, unknown until all have spoken, unchecked without checks. */
export function taskHealth(task: Task, checks: number): TaskHealth {
  const results = task.healthCheckResults ?? [];
  if (results.some((result) => !result.alive)) return 'unhealthy';
  if (results.length === 0) return checks === 0 ? 'unchecked' : 'unknown';
  return results.length < checks ? 'unknown' : 'healthy';
}

/** Why a task is unhealthy, as its checks reported it. */
export function failureCauses(task: Task): string[] {
  const causes = (task.healthCheckResults ?? []).filter((result) => !result.alive).map((result) => result.lastFailureCause);
  return [...new Set(causes.filter((cause) => cause !== undefined))];
}
