import { describe, expect, it } from 'vitest';
import { app, group, queued } from './fixtures';
import { ancestors, appsIn, findApp, replaceApp, rowsOf, totals, type View } from './tree';

const root = group(
  '/',
  [app('/solo', { instances: 0, tasksRunning: 0 })],
  [
    group('/tools', [], [group('/tools/ci', [app('/tools/ci/runner', { labels: { team: 'Build' } })])]),
    group('/shop', [
      app('/shop/web', { instances: 3, tasksRunning: 2, tasksHealthy: 1, tasksUnhealthy: 1, deployments: [{ id: 'd' }] }),
      app('/shop/db', { cpus: 2, mem: 512 }),
    ]),
  ],
);
const all: View = { queue: new Map(), text: '', status: '', isOpen: () => true };
const names = (view: Partial<View>) => rowsOf(root, { ...all, ...view }).map((row) => `${'  '.repeat(row.depth)}${row.name}`);

describe('the rows of a tree', () => {
  it('are groups before apps, each by name', () => {
    expect(names({})).toEqual(['shop', '  db', '  web', 'tools', '  ci', '    runner', 'solo']);
  });

  it('leave out what is below a closed group', () => {
    expect(names({ isOpen: (id) => id !== '/shop' })).toEqual(['shop', 'tools', '  ci', '    runner', 'solo']);
  });

  it('are filtered by a part of the id, and open what is found', () => {
    expect(names({ text: 'shop/d', isOpen: () => false })).toEqual(['shop', '  db']);
  });

  it('are filtered by label whatever its case', () => {
    expect(names({ text: 'team=build' })).toEqual(['tools', '  ci', '    runner']);
  });

  it('are filtered by status', () => {
    expect(names({ status: 'deploying' })).toEqual(['shop', '  web']);
    expect(names({ status: 'suspended' })).toEqual(['solo']);
    expect(names({ status: 'delayed' })).toEqual([]);
  });

  it('show empty groups unless something is filtered', () => {
    const bare = group('/', [], [group('/empty', [])]);
    expect(rowsOf(bare, all)).toHaveLength(1);
    expect(rowsOf(bare, { ...all, text: 'e' })).toHaveLength(0);
  });
});

describe('a group', () => {
  it('sums what its apps and subgroups hold', () => {
    const sum = totals(appsIn(root), new Map());
    expect(sum).toMatchObject({ apps: 4, instances: 5, running: 4, healthy: 1, unhealthy: 1, cpus: 4, mem: 768 });
    expect(Object.fromEntries(sum.statuses)).toEqual({ deploying: 1, running: 2, suspended: 1 });
  });

  it('counts statuses with the launch queue', () => {
    const waiting = app('/a', { instances: 2 });
    const sum = totals([waiting], new Map([['/a', queued(waiting)]]));
    expect([...sum.statuses]).toEqual([['waiting', 1]]);
  });
});

describe('an app in the tree', () => {
  it('is found by its id, also in a group whose name begins like another', () => {
    const tree = group('/', [], [group('/a', []), group('/ab', [app('/ab/x')])]);
    expect(findApp(tree, '/ab/x')?.id).toBe('/ab/x');
    expect(findApp(root, '/tools/ci/runner')?.id).toBe('/tools/ci/runner');
    expect(findApp(root, '/tools/ci')).toBeUndefined();
  });

  it('is replaced without touching other groups', () => {
    const next = replaceApp(root, app('/shop/db', { instances: 7 }));
    expect(next && findApp(next, '/shop/db')?.instances).toBe(7);
    expect(findApp(root, '/shop/db')?.instances).toBe(1);
    expect(next?.groups[0]).toBe(root.groups[0]);
  });

  it('is not added where it is not', () => {
    expect(replaceApp(root, app('/shop/new'))).toBeUndefined();
    expect(replaceApp(root, app('/elsewhere/new'))).toBeUndefined();
  });
});

it('the groups around an id are named outermost first', () => {
  expect(ancestors('/a/b/c')).toEqual(['/a', '/a/b']);
  expect(ancestors('/solo')).toEqual([]);
});
