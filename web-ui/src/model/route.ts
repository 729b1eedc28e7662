import type { LogFile } from '../api/types';

export type AppTab = 'instances' | 'configuration';

/** Where in the page one is; written behind the `#` of the address. */
export type Route =
  | { page: 'apps'; filter: string; status: string }
  | { page: 'app'; id: string; tab: AppTab }
  | { page: 'log'; app: string; task: string; file: LogFile }
  | { page: 'deployments' }
  | { page: 'queue' }
  | { page: 'events' }
  | { page: 'unknown' };

/** Reads an address. Ids may be written plainly (`#/apps/shop/web`) or escaped as one part (`#/apps/%2Fshop%2Fweb`). */
export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#/, '').split('?', 2);
  const query = new URLSearchParams(search);
  const [page, ...rest] = path.split('/').filter((part) => part !== '');
  const id = `/${rest.flatMap((part) => unescape(part).split('/')).filter((part) => part !== '').join('/')}`;
  switch (page) {
    case undefined:
      return { page: 'apps', filter: '', status: '' };
    case 'apps':
      if (id === '/') return { page: 'apps', filter: query.get('filter') ?? '', status: query.get('status') ?? '' };
      return { page: 'app', id, tab: query.get('tab') === 'configuration' ? 'configuration' : 'instances' };
    case 'log':
      if (id === '/' || !query.get('task')) return { page: 'unknown' };
      return { page: 'log', app: id, task: query.get('task') ?? '', file: query.get('file') === 'stderr' ? 'stderr' : 'stdout' };
    case 'deployments':
    case 'queue':
    case 'events':
      return rest.length === 0 ? { page } : { page: 'unknown' };
    default:
      return { page: 'unknown' };
  }
}

/** The address of a place. */
export function href(route: Route): string {
  switch (route.page) {
    case 'apps':
      return `#/apps${queryText({ filter: route.filter, status: route.status })}`;
    case 'app':
      return `#/apps${escapeId(route.id)}${queryText({ tab: route.tab === 'instances' ? '' : route.tab })}`;
    case 'log':
      return `#/log${escapeId(route.app)}${queryText({ task: route.task, file: route.file })}`;
    case 'deployments':
    case 'queue':
    case 'events':
      return `#/${route.page}`;
    case 'unknown':
      return '#/apps';
  }
}

/** The address of an app's page. */
export function appHref(id: string): string {
  return href({ page: 'app', id, tab: 'instances' });
}

function escapeId(id: string): string {
  return id.split('/').map(encodeURIComponent).join('/');
}

function queryText(values: Record<string, string>): string {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ''));
  return query.size === 0 ? '' : `?${query}`;
}

function unescape(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
