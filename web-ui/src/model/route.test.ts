import { describe, expect, it } from 'vitest';
import { href, parseRoute, type Route } from './route';

describe('an address', () => {
  it.each<[string, Route]>([
    ['', { page: 'apps', filter: '', status: '' }],
    ['#/', { page: 'apps', filter: '', status: '' }],
    ['#/apps?filter=a%2Fb&status=waiting', { page: 'apps', filter: 'a/b', status: 'waiting' }],
    ['#/apps/shop/web', { page: 'app', id: '/shop/web', tab: 'instances' }],
    ['#/apps/%2Fshop%2Fweb', { page: 'app', id: '/shop/web', tab: 'instances' }], // old bookmarks
    ['#/apps/web.v1?tab=configuration', { page: 'app', id: '/web.v1', tab: 'configuration' }],
    ['#/log/shop/web?task=shop_web.instance-1._app.1', { page: 'log', app: '/shop/web', task: 'shop_web.instance-1._app.1', file: 'stdout' }],
    ['#/log/shop/web', { page: 'unknown' }],
    ['#/events', { page: 'events' }],
    ['#/events/more', { page: 'unknown' }],
    ['#/nowhere', { page: 'unknown' }],
    ['#/apps/%E0%A4%A', { page: 'app', id: '/%E0%A4%A', tab: 'instances' }],
  ])('%s is read', (hash, route) => {
    expect(parseRoute(hash)).toEqual(route);
  });

  it.each<Route>([
    { page: 'apps', filter: 'x y', status: 'running' },
    { page: 'app', id: '/a/b', tab: 'configuration' },
    { page: 'log', app: '/a', task: 'a.instance-1._app.2', file: 'stderr' },
    { page: 'deployments' },
    { page: 'queue' },
    { page: 'events' },
  ])('%o survives being written and read', (route) => {
    expect(parseRoute(href(route))).toEqual(route);
  });
});
