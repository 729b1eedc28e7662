import { flushSync, mount, unmount, type Component } from 'svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client';
import { app, deployment, queued, task } from '../model/fixtures';
import DeploymentCard from './DeploymentCard.svelte';
import Failure from './Failure.svelte';
import HealthBar from './HealthBar.svelte';
import InstanceTable from './InstanceTable.svelte';

let mounted: Record<string, unknown> | undefined;

function show<P extends Record<string, unknown>>(component: Component<P>, props: P): HTMLElement {
  mounted = mount(component, { target: document.body, props });
  flushSync();
  return document.body;
}

afterEach(async () => {
  if (mounted) await unmount(mounted);
  document.body.replaceChildren();
});

const text = (body: HTMLElement) => (body.textContent ?? '').replace(/\s+/g, ' ');

describe('a failure', () => {
  it('shows each path with its errors, and leads to the place', () => {
    const lead = vi.fn();
    const error = new ApiError(422, 'Object is not valid', [{ path: '/cpus', errors: ['error.min', 'too small'] }]);
    const body = show(Failure, { error, show: lead });
    expect(text(body)).toContain('/cpus error.min · too small');
    body.querySelector<HTMLButtonElement>('dt button')?.click();
    expect(lead).toHaveBeenCalledWith('/cpus');
  });

  it('of a lock names the deployments and offers force', () => {
    const force = vi.fn();
    const body = show(Failure, { error: new ApiError(409, 'locked', [], ['d-1']), force });
    expect(text(body)).toContain('d-1');
    body.querySelector<HTMLButtonElement>('button.danger')?.click();
    expect(force).toHaveBeenCalledOnce();
  });

  it('of another kind offers no force', () => {
    const body = show(Failure, { error: new ApiError(409, 'exists'), force: () => {} });
    expect(body.querySelector('button')).toBeNull();
  });
});

it('a health bar is told in words too', () => {
  const body = show(HealthBar, { counts: { instances: 3, running: 2, staged: 0, healthy: 2, unhealthy: 0 } });
  expect(body.querySelector('[role=img]')?.getAttribute('aria-label')).toBe('2 healthy, 1 not running');
});

describe('the table of instances', () => {
  const tasks = [
    task('a.instance-11111111-17a1-11f1-9d2b-0242ac110002._app.1', { ports: [31000, 31001] }),
    task('a.instance-22222222-17a1-11f1-9d2b-0242ac110002._app.1', { version: '2026-03-01T00:00:00.000Z', ports: [] }),
  ];

  it('links every port and both output files', () => {
    const body = show(InstanceTable, { app: app('/a', { tasks }), kill: () => {} });
    const links = [...body.querySelectorAll('a')].map((link) => link.getAttribute('href'));
    expect(links).toContain('http://agent-1:31001');
    expect(links).toContain(`#/log/a?task=${tasks[0]?.id}&file=stderr`);
  });

  it('marks tasks of an older configuration', () => {
    const body = show(InstanceTable, { app: app('/a', { tasks }), kill: () => {} });
    const rows = [...body.querySelectorAll('tbody tr')].map((row) => /\bold\b/.test(row.textContent ?? ''));
    expect(rows).toEqual([false, true]);
  });

  it('draws only the first of very many', () => {
    const many = Array.from({ length: 1000 }, (_, index) => task(`t${index}`));
    const body = show(InstanceTable, { app: app('/a', { tasks: many }), kill: () => {} });
    expect(body.querySelectorAll('tbody tr')).toHaveLength(200);
    expect(text(body)).toContain('800 not shown');
  });
});

it('a deployment that waits says why', () => {
  const item = queued(app('/a'), { count: 2 });
  const body = show(DeploymentCard, {
    deployment: deployment(),
    apps: new Map([['/a', app('/a', { instances: 3, tasks: [task('t')] })]]),
    queue: new Map([['/a', item], ['/b', item]]),
    rollBack: () => {},
    stop: () => {},
  });
  expect(text(body)).toContain('step 1 of 2');
  expect(text(body)).toContain('1 of 3 ready');
  expect(text(body).match(/no agent has offered resources yet/g)).toHaveLength(1);
});
