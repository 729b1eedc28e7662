import type { Topic } from '../model/changes';

/** Least time between the starts of two loads, in milliseconds: at most four a second. */
const INTERVAL_MS = 250;
/** A load that takes long is followed by a pause of this many times its duration, so that a busy server gets room. */
const PAUSE_FACTOR = 3;
const LONGEST_INTERVAL_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 10_000;

interface Options<T> {
  /** Whether a change under this topic makes the value old. */
  wants(topic: Topic): boolean;
  /** Reads the value anew. `changed` holds the wanted topics since the last load, `previous` the value so far. */
  load(changed: ReadonlySet<Topic>, previous: T | undefined, signal: AbortSignal): Promise<T>;
  /** Reads again after this time even if nothing was heard, for what no event tells of. */
  pollMs?: number;
}

/**
 * A value of the server that is kept fresh while somebody watches it. However many changes come, loads of one resource
 * never overlap and never follow each other faster than the interval; a failed one is tried again.
 */
export class Resource<T> {
  value = $state.raw<T | undefined>(undefined);
  /** Why the last load failed; cleared by the next success. The value stays as it was. */
  error = $state.raw<Error | undefined>(undefined);

  #changed = new Set<Topic>(['all']);
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #poll: ReturnType<typeof setInterval> | undefined;
  #running: AbortController | undefined;
  #notBefore = 0;
  #failures = 0;

  constructor(private readonly options: Options<T>) {}

  /** Starts keeping the value fresh; the answer ends it. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watchers === 1) {
      register.add(this);
      if (this.options.pollMs !== undefined) this.#poll = setInterval(() => this.refresh(), this.options.pollMs);
      this.#schedule();
    }
    return () => this.#leave();
  }

  /** Tells what changed elsewhere. */
  mark(topics: readonly Topic[]): void {
    for (const topic of topics) if (this.options.wants(topic)) this.#changed.add(topic);
    this.#schedule();
  }

  /** Reads the value again as soon as the interval allows. */
  refresh(): void {
    this.#changed.add('all');
    this.#schedule();
  }

  /** Goes on after the page was out of sight. */
  wake(): void {
    this.#schedule();
  }

  #leave(): void {
    this.#watchers -= 1;
    if (this.#watchers > 0) return;
    register.delete(this);
    clearInterval(this.#poll);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running?.abort();
    this.#running = undefined;
    this.#changed.add('all');
  }

  #schedule(): void {
    const idle = this.#watchers === 0 || this.#changed.size === 0;
    if (idle || this.#timer !== undefined || this.#running || document.hidden) return;
    this.#timer = setTimeout(() => void this.#run(), Math.max(0, this.#notBefore - Date.now()));
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    const controller = new AbortController();
    const changed = this.#changed;
    const started = Date.now();
    this.#running = controller;
    this.#changed = new Set();
    try {
      const value = await this.options.load(changed, this.value, controller.signal);
      if (controller.signal.aborted) return;
      this.value = value;
      this.error = undefined;
      this.#failures = 0;
      const took = Date.now() - started;
      this.#notBefore = started + Math.min(Math.max(INTERVAL_MS, took * (1 + PAUSE_FACTOR)), LONGEST_INTERVAL_MS);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.error = error instanceof Error ? error : new Error(String(error));
      this.#changed.add('all');
      this.#notBefore = Date.now() + Math.min(FIRST_RETRY_MS * 2 ** this.#failures, LONGEST_RETRY_MS);
      this.#failures += 1;
    }
    this.#running = undefined;
    this.#schedule();
  }
}

/** Every resource that somebody watches. */
const register = new Set<Resource<unknown>>();

/** Tells all watched resources what changed. */
export function markAll(topics: readonly Topic[]): void {
  for (const resource of register) resource.mark(topics);
}

/** Lets all watched resources catch up. */
export function wakeAll(): void {
  for (const resource of register) resource.wake();
}
