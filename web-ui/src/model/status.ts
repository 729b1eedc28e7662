import type { App, QueueItem } from '../api/types';

/** In one word, how an app is doing. */
export type AppStatus = 'deploying' | 'suspended' | 'delayed' | 'waiting' | 'running';

/** All statuses, the ones that want attention first. */
export const APP_STATUSES: readonly AppStatus[] = ['deploying', 'delayed', 'waiting', 'running', 'suspended'];

/** Status in the app list; the first rule that holds wins. `queued` is the app's entry in the launch queue, if any. */
export function appStatus(app: App, queued?: QueueItem): AppStatus {
  const running = app.tasksRunning ?? 0;
  if ((app.deployments ?? []).length > 0) return 'deploying';
  if (app.instances === 0 && running === 0) return 'suspended';
  if (queued && isBackingOff(queued)) return 'delayed';
  if (queued && queued.count > 0) return 'waiting';
  return running > 0 ? 'running' : 'waiting';
}

/** Whether the next launch waits because earlier ones failed, rather than for resources. */
export function isBackingOff(item: QueueItem): boolean {
  return !item.delay.overdue && item.delay.timeLeftSeconds > 0;
}

/** The launch queue by app id. */
export function queueByApp(queue: readonly QueueItem[]): ReadonlyMap<string, QueueItem> {
  return new Map(queue.flatMap((item) => (item.app ? [[item.app.id, item] as const] : [])));
}
