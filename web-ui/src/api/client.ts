import type {
  App,
  Deployment,
  DeploymentResult,
  ErrorDetail,
  FilePiece,
  Group,
  Info,
  LogFile,
  QueueItem,
  Timestamp,
} from './types';

/** Longest wait for any answer, in milliseconds. */
const TIMEOUT_MS = 30_000;

/** A request that did not succeed. `status` is 0 when no answer came. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    message: string,
    readonly details: readonly ErrorDetail[] = [],
    /** Deployments that hold a lock on what the request wanted to change. */
    readonly deployments: readonly string[] = [],
  ) {
    super(message);
  }

  /** Whether the same request with `force` may succeed. */
  get locked(): boolean {
    return this.status === 409 && this.deployments.length > 0;
  }
}

/** Reads an error body of any of the forms that the API uses. */
export function errorFrom(status: number, text: string): ApiError {
  let body: { message?: unknown; details?: unknown; deployments?: unknown } = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) body = parsed;
  } catch {
    // Not ours: a proxy in between may answer in HTML.
  }
  const message = typeof body.message === 'string' ? body.message : `The server answered with status ${status}.`;
  const deployments = Array.isArray(body.deployments)
    ? body.deployments.map((deployment: { id?: unknown }) => String(deployment.id))
    : [];
  return new ApiError(status, message, detailsFrom(body.details), deployments);
}

function detailsFrom(details: unknown): ErrorDetail[] {
  if (typeof details === 'string') return [{ path: '', errors: [details] }];
  if (!Array.isArray(details)) return [];
  return details.map((detail: { path?: unknown; errors?: unknown }) => ({
    path: String(detail.path ?? ''),
    errors: Array.isArray(detail.errors) ? detail.errors.map(String) : [String(detail.errors ?? '')],
  }));
}

type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

interface Options {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

/** An id such as `/shop/web` as the path below `prefix`. */
function idPath(prefix: string, id: string): string {
  return prefix + id.split('/').map(encodeURIComponent).join('/');
}

function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    const values = typeof value === 'object' ? value : [String(value)];
    for (const one of values) params.append(key, one);
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

async function request<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const init: RequestInit = {
    method,
    cache: 'no-store',
    headers: { accept: 'application/json' },
    signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
  };
  if (options.body !== undefined) {
    init.headers = { accept: 'application/json', 'content-type': 'application/json' };
    init.body = JSON.stringify(options.body);
  }
  let status: number;
  let ok: boolean;
  let text: string;
  try {
    const response = await fetch(withQuery(path, options.query), init);
    ({ status, ok } = response);
    text = await response.text();
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new ApiError(0, timeout.aborted ? 'The server did not answer in time.' : 'The server cannot be reached.');
  }
  if (!ok) throw errorFrom(status, text);
  if (text === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError(status, `${method} ${path}: the answer is not JSON.`);
  }
}

const TREE_EMBEDS = ['group.groups', 'group.apps', 'group.apps.counts', 'group.apps.deployments'];

/** Every call that the page makes, by what it is for. */
export const api = {
  tree: (signal?: AbortSignal) => request<Group>('GET', '/v2/groups', { query: { embed: TREE_EMBEDS }, signal }),
  info: (signal?: AbortSignal) => request<Info>('GET', '/v2/info', { signal }),
  deployments: (signal?: AbortSignal) => request<Deployment[]>('GET', '/v2/deployments', { signal }),
  queue: async (signal?: AbortSignal) =>
    (await request<{ queue: QueueItem[] }>('GET', '/v2/queue', { query: { embed: ['lastUnusedOffers'] }, signal }))
      .queue,

  app: async (id: string, signal?: AbortSignal) =>
    (await request<{ app: App }>('GET', idPath('/v2/apps', id), { signal })).app,
  versions: async (id: string, signal?: AbortSignal) =>
    (await request<{ versions: Timestamp[] }>('GET', `${idPath('/v2/apps', id)}/versions`, { signal })).versions,
  appVersion: (id: string, version: Timestamp, signal?: AbortSignal) =>
    request<App>('GET', `${idPath('/v2/apps', id)}/versions/${encodeURIComponent(version)}`, { signal }),

  createApp: (app: unknown, force = false) => request<App>('POST', '/v2/apps', { body: app, query: { force } }),
  /** Merges `change` into the app. */
  changeApp: (id: string, change: unknown, force = false) =>
    request<DeploymentResult>('PUT', idPath('/v2/apps', id), { body: change, query: { force } }),
  /** Makes `definition` the whole app: what it leaves out goes back to its default. */
  replaceApp: (id: string, definition: unknown, force = false) =>
    request<DeploymentResult>('PUT', idPath('/v2/apps', id), {
      body: definition,
      query: { force, partialUpdate: false },
    }),
  restartApp: (id: string, force = false) =>
    request<DeploymentResult>('POST', `${idPath('/v2/apps', id)}/restart`, { query: { force } }),
  destroyApp: (id: string, force = false) =>
    request<DeploymentResult>('DELETE', idPath('/v2/apps', id), { query: { force } }),

  createGroup: (group: unknown, force = false) =>
    request<DeploymentResult>('POST', '/v2/groups', { body: group, query: { force } }),
  putGroup: (group: unknown, force = false) =>
    request<DeploymentResult>('PUT', '/v2/groups', { body: group, query: { force } }),
  destroyGroup: (id: string, force = false) =>
    request<DeploymentResult>('DELETE', idPath('/v2/groups', id), { query: { force } }),

  /** Kills one task; with `scale` its app keeps one instance less. */
  killTask: (app: string, task: string, { scale, force = false }: { scale: boolean; force?: boolean }) =>
    request<unknown>('DELETE', `${idPath('/v2/apps', app)}/tasks/${encodeURIComponent(task)}`, {
      query: { scale, force: scale ? force : undefined },
    }),
  /** Starts a deployment that restores what was before this one. */
  rollBack: (deployment: string) =>
    request<DeploymentResult>('DELETE', `/v2/deployments/${encodeURIComponent(deployment)}`),
  /** Ends a deployment where it stands. */
  stopDeployment: (deployment: string) =>
    request<undefined>('DELETE', `/v2/deployments/${encodeURIComponent(deployment)}`, { query: { force: true } }),
  resetDelay: (app: string) => request<undefined>('DELETE', `${idPath('/v2/queue', app)}/delay`),

  /** A piece of a task's output; without `range` an empty piece at the file's end, which tells the size. */
  file: (task: string, file: LogFile, range?: { offset: number; length: number }, signal?: AbortSignal) =>
    request<FilePiece>('GET', `/v2/tasks/${encodeURIComponent(task)}/files/${file}`, { query: { ...range }, signal }),
};
