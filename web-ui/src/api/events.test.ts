import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EventStream, type Connection, type StreamEvent } from './events';

/** Stands in for the browser's EventSource. */
class Source extends EventTarget {
  readyState = 0;
  closed = false;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;

  close(): void {
    this.closed = true;
  }

  send(type: string, data: string): void {
    this.dispatchEvent(new MessageEvent(type, { data, lastEventId: '7' }));
  }

  fail(readyState: number): void {
    this.readyState = readyState;
    this.onerror?.();
  }
}

function stream() {
  const sources: Source[] = [];
  const states: Connection[] = [];
  const events: StreamEvent[] = [];
  const handlers = { event: (event: StreamEvent) => events.push(event), connection: (state: Connection) => states.push(state) };
  const one = new EventStream('/v2/events', handlers, () => {
    sources.push(new Source());
    return sources.at(-1) as unknown as EventSource;
  });
  one.start();
  return { one, sources, states, events, last: () => sources.at(-1) as Source };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('hands over named events with their position', () => {
  const { events, last } = stream();
  last().send('status_update_event', '{"appId": "/a"}');
  expect(events).toEqual([{ id: '7', type: 'status_update_event', data: { appId: '/a' } }]);
});

it('survives an event that is not JSON', () => {
  const { events, last } = stream();
  last().send('status_update_event', '{');
  expect(events[0]?.data).toEqual({ unreadable: '{' });
});

it('leaves reconnecting to the browser while the browser does it', () => {
  const { sources, states, last } = stream();
  last().onopen?.();
  last().fail(0); // CONNECTING
  vi.advanceTimersByTime(60_000);
  expect(sources).toHaveLength(1);
  last().onopen?.();
  expect(states).toEqual(['live', 'lost', 'live']);
});

it('connects anew when the browser gave up, waiting longer each time', () => {
  const { sources, last } = stream();
  last().fail(2); // CLOSED
  expect(last().closed).toBe(true);
  vi.advanceTimersByTime(1_000);
  expect(sources).toHaveLength(2);
  last().fail(2);
  vi.advanceTimersByTime(1_000);
  expect(sources).toHaveLength(2);
  vi.advanceTimersByTime(1_000);
  expect(sources).toHaveLength(3);
});

it('stays closed once stopped', () => {
  const { one, sources, last } = stream();
  last().fail(2);
  one.stop();
  vi.advanceTimersByTime(60_000);
  expect(sources).toHaveLength(1);
});
