import type { App, Deployment, Group, QueueItem, Task } from '../api/types';

/** An app for tests: one running instance, no checks, unless told otherwise. */
export function app(id: string, change: Partial<App> = {}): App {
  return { id, instances: 1, cpus: 0.5, mem: 64, version: '2026-03-04T05:06:07.000Z', tasksRunning: 1, deployments: [], ...change };
}

/** A task of the app above, running its version. */
export function task(id: string, change: Partial<Task> = {}): Task {
  return { id, appId: '/a', host: 'agent-1', state: 'TASK_RUNNING', ports: [31000], version: '2026-03-04T05:06:07.000Z', ...change };
}

/** A group for tests; its children stand where their ids say. */
export function group(id: string, apps: App[], groups: Group[] = []): Group {
  return { id, apps, groups };
}

/** A queue item of one instance that waits for offers. */
export function queued(of: App, change: Partial<QueueItem> = {}): QueueItem {
  return { app: of, count: 1, delay: { timeLeftSeconds: 0, overdue: true }, ...change };
}

/** A deployment that starts two apps one after the other, in its first step. */
export function deployment(change: Partial<Deployment> = {}): Deployment {
  return {
    id: 'd1',
    version: '2026-03-04T05:06:07.000Z',
    affectedApps: ['/a', '/b'],
    steps: [
      { actions: [{ action: 'StartApplication', app: '/a' }] },
      { actions: [{ action: 'ScaleApplication', app: '/b' }] },
    ],
    currentActions: [{ action: 'StartApplication', app: '/a' }],
    currentStep: 1,
    totalSteps: 2,
    ...change,
  };
}
