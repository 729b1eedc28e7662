import { concernsApp, onlyApps, topicsOf, type Topic } from '../model/changes';
import { keep, type LoggedEvent } from '../model/eventlog';
import { findApp, replaceApp } from '../model/tree';
import { api } from './client';
import { EventStream, type Connection, type StreamEvent } from './events';
import { markAll, Resource, wakeAll } from './resource.svelte';
import type { App, Deployment, Group, Info, QueueItem, Timestamp } from './types';

/** How often received events are handed to the page, in milliseconds. */
const FLUSH_MS = 150;
/** Up to so many changed apps are read one by one; more, and the tree is read whole. */
const SINGLE_READS = 4;
/** How often to look at what no event announces, in milliseconds. */
const QUEUE_POLL_MS = 3_000;
const INFO_POLL_MS = 60_000;
/** How often to read again while the stream is cut, in milliseconds. */
const LOST_POLL_MS = 5_000;

/** What all pages share, kept fresh by the event stream. */
class Live {
  connection = $state<Connection>('connecting');
  /** The latest events, oldest first; replaced as a whole. */
  events = $state.raw<readonly LoggedEvent[]>([]);

  readonly tree = new Resource<Group>({ wants: (topic) => topic !== 'deployments', load: loadTree });
  readonly deployments = new Resource<Deployment[]>({
    wants: (topic) => topic === 'all' || topic === 'deployments',
    load: (_, __, signal) => api.deployments(signal),
  });
  readonly queue = new Resource<QueueItem[]>({
    wants: () => true,
    load: (_, __, signal) => api.queue(signal),
    pollMs: QUEUE_POLL_MS,
  });
  readonly info = new Resource<Info>({
    wants: (topic) => topic === 'all',
    load: (_, __, signal) => api.info(signal),
    pollMs: INFO_POLL_MS,
  });

  #fresh: LoggedEvent[] = [];
  #count = 0;
  #flush: ReturnType<typeof setTimeout> | undefined;
  #wasLost = false;

  /** Opens the stream; called once. */
  start(): void {
    new EventStream('/v2/events', {
      event: (event) => this.#received(event),
      connection: (state) => this.#connected(state),
    }).start();
    document.addEventListener('visibilitychange', wakeAll);
    setInterval(() => {
      if (this.connection === 'lost') markAll(['all']);
    }, LOST_POLL_MS);
  }

  #connected(state: Connection): void {
    if (state === 'live' && this.#wasLost) markAll(['all']);
    if (state === 'lost') this.#wasLost = true;
    this.connection = state;
  }

  #received(event: StreamEvent): void {
    this.#count += 1;
    this.#fresh.push({ ...event, number: this.#count });
    this.#flush ??= setTimeout(() => this.#handOver(), FLUSH_MS);
  }

  #handOver(): void {
    const fresh = this.#fresh;
    this.#flush = undefined;
    this.#fresh = [];
    this.events = keep(this.events, fresh);
    markAll([...new Set(fresh.flatMap((event) => topicsOf(event.type, event.data)))]);
  }
}

/** Reads the changed apps alone if they are few and known, else the whole tree. */
async function loadTree(changed: ReadonlySet<Topic>, previous: Group | undefined, signal: AbortSignal): Promise<Group> {
  const apps = onlyApps(changed);
  if (!previous || !apps || apps.length > SINGLE_READS) return api.tree(signal);
  if (!apps.every((id) => findApp(previous, id))) return api.tree(signal);
  try {
    const read = await Promise.all(apps.map((id) => api.app(id, signal)));
    return read.reduce((tree, app) => replaceApp(tree, withoutTasks(app)) ?? tree, previous);
  } catch (error) {
    if (signal.aborted) throw error;
    return api.tree(signal); // the app may be gone by now
  }
}

function withoutTasks({ tasks: _, ...app }: App): App {
  return app;
}

/** One app with its tasks. */
export function appResource(id: string): Resource<App> {
  return new Resource<App>({
    wants: (topic) => concernsApp(topic, id),
    load: (_, __, signal) => api.app(id, signal),
  });
}

/** The stored versions of an app, newest first. */
export function versionsResource(id: string): Resource<Timestamp[]> {
  return new Resource<Timestamp[]>({
    wants: (topic) => topic === 'all' || (topic.startsWith('group:') && concernsApp(topic, id)),
    load: async (_, __, signal) => (await api.versions(id, signal)).sort().reverse(),
  });
}

/** The apps with these ids, read together; the ones that are gone are left out. */
export function appsResource(ids: readonly string[]): Resource<ReadonlyMap<string, App>> {
  const read = async (signal: AbortSignal) => {
    const found = await Promise.all(ids.map((id) => api.app(id, signal).catch(absent)));
    return new Map(found.flatMap((app) => (app ? [[app.id, app] as const] : [])));
  };
  return new Resource<ReadonlyMap<string, App>>({
    wants: (topic) => ids.some((id) => concernsApp(topic, id)),
    load: (_, __, signal) => read(signal),
  });
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'status' in error && error.status === 404) return undefined;
  throw error;
}

export const live = new Live();
