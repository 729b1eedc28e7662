import type { App, Group, QueueItem } from '../api/types';
import { countsOf, type Counts } from './health';
import { appStatus, type AppStatus } from './status';

/** Sums over all apps at or below a group. */
export interface Totals extends Counts {
  apps: number;
  /** CPUs and MiB that all instances together may use. */
  cpus: number;
  mem: number;
  statuses: ReadonlyMap<AppStatus, number>;
}

export interface GroupRow {
  kind: 'group';
  id: string;
  name: string;
  depth: number;
  open: boolean;
  totals: Totals;
}

export interface AppRow {
  kind: 'app';
  id: string;
  name: string;
  depth: number;
  app: App;
  status: AppStatus;
  queued: QueueItem | undefined;
}

export type Row = GroupRow | AppRow;

/** What to show of a tree. */
export interface View {
  queue: ReadonlyMap<string, QueueItem>;
  /** Lower-case part of an app's id or of one of its labels (`key=value`). */
  text: string;
  status: AppStatus | '';
  isOpen(group: string): boolean;
}

/** All apps at or below a group. */
export function appsIn(group: Group): App[] {
  return [...group.apps, ...group.groups.flatMap(appsIn)];
}

/** The app with this id. */
export function findApp(group: Group, id: string): App | undefined {
  const direct = group.apps.find((app) => app.id === id);
  if (direct) return direct;
  const next = group.groups.find((child) => id.startsWith(`${child.id}/`));
  return next && findApp(next, id);
}

/** The same tree with one app replaced; groups without it are shared. Undefined if the tree does not hold the app. */
export function replaceApp(group: Group, app: App): Group | undefined {
  if (group.apps.some((old) => old.id === app.id)) {
    return { ...group, apps: group.apps.map((old) => (old.id === app.id ? app : old)) };
  }
  for (const child of group.groups) {
    if (!app.id.startsWith(`${child.id}/`)) continue;
    const replaced = replaceApp(child, app);
    if (replaced) return { ...group, groups: group.groups.map((old) => (old === child ? replaced : old)) };
  }
  return undefined;
}

/** Sums the apps' counts, resources and statuses. */
export function totals(apps: readonly App[], queue: ReadonlyMap<string, QueueItem>): Totals {
  const sum = { apps: apps.length, instances: 0, running: 0, staged: 0, healthy: 0, unhealthy: 0, cpus: 0, mem: 0 };
  const statuses = new Map<AppStatus, number>();
  for (const app of apps) {
    const counts = countsOf(app);
    sum.instances += counts.instances;
    sum.running += counts.running;
    sum.staged += counts.staged;
    sum.healthy += counts.healthy;
    sum.unhealthy += counts.unhealthy;
    sum.cpus += app.cpus * app.instances;
    sum.mem += app.mem * app.instances;
    const status = appStatus(app, queue.get(app.id));
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  return { ...sum, statuses };
}

/**
 * The visible rows below `root`, in order: groups before apps, each by name. A group row sums only what passes the filter;
 * groups in which nothing passes are left out, unless nothing is filtered.
 */
export function rowsOf(root: Group, view: View, depth = 0): Row[] {
  const filtering = view.text !== '' || view.status !== '';
  const rows: Row[] = [];
  for (const group of [...root.groups].sort(byId)) {
    const apps = appsIn(group).filter((app) => passes(app, view));
    if (filtering && apps.length === 0) continue;
    const open = filtering || view.isOpen(group.id);
    rows.push({ kind: 'group', id: group.id, name: lastPart(group.id), depth, open, totals: totals(apps, view.queue) });
    if (open) rows.push(...rowsOf(group, view, depth + 1));
  }
  for (const app of root.apps.filter((one) => passes(one, view)).sort(byId)) {
    const queued = view.queue.get(app.id);
    rows.push({ kind: 'app', id: app.id, name: lastPart(app.id), depth, app, queued, status: appStatus(app, queued) });
  }
  return rows;
}

/** The last part of an id: `web` of `/shop/web`. */
export function lastPart(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}

/** The ids of all groups around an id, outermost first: `/a`, `/a/b` for `/a/b/c`. */
export function ancestors(id: string): string[] {
  const parts = id.split('/').filter((part) => part !== '');
  return parts.slice(0, -1).map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

function passes(app: App, view: View): boolean {
  if (view.status !== '' && appStatus(app, view.queue.get(app.id)) !== view.status) return false;
  if (view.text === '' || app.id.toLowerCase().includes(view.text)) return true;
  return Object.entries(app.labels ?? {}).some(([key, value]) => `${key}=${value}`.toLowerCase().includes(view.text));
}

function byId(left: { id: string }, right: { id: string }): number {
  return left.id < right.id ? -1 : left.id > right.id ? 1 : 0;
}
