import { api, ApiError } from '../api/client';
import type { LogFile } from '../api/types';
import { extend, openTail, wanted, type Tail } from '../model/tail';

/** How often a file is looked at for more, in milliseconds. */
const PERIOD_MS = 1_000;
/** How long to leave it alone after a failure, in milliseconds. */
const RETRY_MS = 5_000;

/** Follows the end of one file of a task until it is stopped. */
export class Follower {
  tail = $state.raw<Tail | undefined>(undefined);
  error = $state.raw<Error | undefined>(undefined);

  #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly task: string,
    private readonly file: LogFile,
  ) {}

  /** Starts to follow; the answer ends it. */
  start(): () => void {
    this.#stop = new AbortController();
    void this.#look();
    return () => {
      clearTimeout(this.#timer);
      this.#stop.abort();
    };
  }

  async #look(): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#read(signal);
      this.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error instanceof Error ? error : new Error(String(error));
    }
    if (!signal.aborted) this.#timer = setTimeout(() => void this.#look(), this.error ? RETRY_MS : PERIOD_MS);
  }

  /** Reads up to the size that the file has now; one that became shorter was replaced, and is begun anew. */
  async #read(signal: AbortSignal): Promise<void> {
    const { offset: size } = await api.file(this.task, this.file, undefined, signal);
    let tail = this.tail && this.tail.next <= size ? this.tail : openTail(size);
    this.tail = tail;
    for (let length = wanted(tail, size); length > 0; length = wanted(tail, size)) {
      const piece = await api.file(this.task, this.file, { offset: tail.next, length }, signal);
      const longer = extend(tail, piece.data, length);
      if (signal.aborted || longer === tail) return;
      tail = longer;
      this.tail = tail;
    }
  }

  /** Whether the task or its sandbox is not there (any more). */
  get gone(): boolean {
    return this.error instanceof ApiError && this.error.status === 404;
  }
}
