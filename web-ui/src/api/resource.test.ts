import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Topic } from '../model/changes';
import { markAll, Resource } from './resource.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function counting(load: (changed: ReadonlySet<Topic>) => Promise<number>) {
  return new Resource<number>({ wants: (topic) => topic !== 'deployments', load });
}

it('is read once when it is first watched, and not before', async () => {
  const load = vi.fn(async () => 1);
  const resource = counting(load);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(load).not.toHaveBeenCalled();
  const stop = resource.watch();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(load).toHaveBeenCalledTimes(1);
  expect(resource.value).toBe(1);
  stop();
});

it('is read at most four times a second, however much happens', async () => {
  const load = vi.fn(async () => 1);
  const stop = counting(load).watch();
  for (let at = 0; at < 2_000; at += 10) {
    markAll(['app:/a']);
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(load.mock.calls.length).toBeGreaterThanOrEqual(7);
  expect(load.mock.calls.length).toBeLessThanOrEqual(9);
  stop();
});

it('learns what changed since the last read', async () => {
  const seen: Topic[][] = [];
  const stop = counting(async (changed) => seen.push([...changed])).watch();
  await vi.advanceTimersByTimeAsync(300);
  markAll(['app:/a', 'deployments']);
  markAll(['app:/b']);
  await vi.advanceTimersByTimeAsync(300);
  expect(seen).toEqual([['all'], ['app:/a', 'app:/b']]);
  stop();
});

it('is not read for what it does not want', async () => {
  const load = vi.fn(async () => 1);
  const stop = counting(load).watch();
  await vi.advanceTimersByTimeAsync(300);
  markAll(['deployments']);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(load).toHaveBeenCalledTimes(1);
  stop();
});

it('is read again after a change that came while it was being read', async () => {
  let finish: ((value: number) => void) | undefined;
  const load = vi.fn(() => new Promise<number>((resolve) => (finish = resolve)));
  const stop = counting(load).watch();
  await vi.advanceTimersByTimeAsync(0);
  markAll(['app:/a']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(load).toHaveBeenCalledTimes(1);
  finish?.(1);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(load).toHaveBeenCalledTimes(2);
  stop();
});

it('keeps its value when a read fails, tells the error, and tries again', async () => {
  let fail = false;
  const resource = counting(async () => {
    if (fail) throw new Error('down');
    return 7;
  });
  const stop = resource.watch();
  await vi.advanceTimersByTimeAsync(300);
  fail = true;
  resource.refresh();
  await vi.advanceTimersByTimeAsync(500);
  expect([resource.value, resource.error?.message]).toEqual([7, 'down']);
  fail = false;
  await vi.advanceTimersByTimeAsync(1_500);
  expect([resource.value, resource.error]).toEqual([7, undefined]);
  stop();
});

it('is left alone once nobody watches it', async () => {
  const load = vi.fn(async () => 1);
  const resource = counting(load);
  resource.watch()();
  await vi.advanceTimersByTimeAsync(1_000);
  markAll(['all']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(load).not.toHaveBeenCalled();
});

it('drops an answer that comes after the last watcher left', async () => {
  const resource = counting(() => new Promise((resolve) => setTimeout(() => resolve(1), 100)));
  const stop = resource.watch();
  await vi.advanceTimersByTimeAsync(50);
  stop();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(resource.value).toBeUndefined();
});

it('rests while the page is out of sight, and catches up afterwards', async () => {
  const load = vi.fn(async () => 1);
  const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  const resource = counting(load);
  const stop = resource.watch();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(load).not.toHaveBeenCalled();
  hidden.mockReturnValue(false);
  resource.wake();
  await vi.advanceTimersByTimeAsync(1);
  expect(load).toHaveBeenCalledTimes(1);
  stop();
});
