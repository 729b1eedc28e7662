import { describe, expect, it } from 'vitest';
import { EVENT_TYPES } from '../api/events';
import { concernsApp, onlyApps, topicsOf } from './changes';

const plan = { id: 'd', steps: [{ actions: [{ action: 'StartApplication', app: '/a' }, { action: 'StartPod', pod: '/p' }] }, { actions: [{ action: 'ScaleApplication', app: '/a' }] }] };

describe('what an event makes worth reading again', () => {
  it.each([
    ['status_update_event', { appId: '/a' }, ['app:/a']],
    ['instance_changed_event', { runSpecId: '/a' }, ['app:/a']],
    ['instance_health_changed_event', { runSpecId: '/a' }, ['app:/a']],
    ['failed_health_check_event', { appId: '/a' }, ['app:/a']],
    ['group_change_success', { groupId: '/shop' }, ['tree', 'deployments', 'group:/shop']],
    ['deployment_info', { plan }, ['tree', 'deployments', 'app:/a']],
    ['deployment_success', { id: 'd', plan }, ['tree', 'deployments', 'app:/a']],
    ['deployment_failed', { id: 'd' }, ['tree', 'deployments']],
    ['group_change_failed', { groupId: '/shop' }, []],
    ['event_stream_attached', {}, []],
    ['scheduler_reregistered_event', {}, ['all']],
    ['an_event_of_a_newer_server', {}, ['all']],
  ])('%s %o: %o', (type, data, topics) => {
    expect(topicsOf(type, data)).toEqual(topics);
  });

  it('is everything when an event does not name its app', () => {
    expect(topicsOf('status_update_event', {})).toEqual(['all']);
  });

  it('is decided for every type of the stream', () => {
    for (const type of EVENT_TYPES) expect(Array.isArray(topicsOf(type, { appId: '/a' }))).toBe(true);
  });
});

describe('a topic', () => {
  it.each([
    ['all', true],
    ['app:/shop/web', true],
    ['app:/shop/web2', false],
    ['group:/', true],
    ['group:/shop', true],
    ['group:/shop/web', true],
    ['group:/sho', false],
    ['tree', false],
    ['deployments', false],
  ] as const)('%s touches /shop/web: %s', (topic, expected) => {
    expect(concernsApp(topic, '/shop/web')).toBe(expected);
  });

  it('names single apps or more', () => {
    expect(onlyApps(['app:/a', 'app:/b'])).toEqual(['/a', '/b']);
    expect(onlyApps(['app:/a', 'tree'])).toBeUndefined();
  });
});
