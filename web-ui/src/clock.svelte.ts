import { createSubscriber } from 'svelte/reactivity';

const TICK_MS = 1_000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, TICK_MS);
  return () => clearInterval(timer);
});

/** The present time in milliseconds; what reads it is drawn again every second. */
export function now(): number {
  subscribe();
  return Date.now();
}
