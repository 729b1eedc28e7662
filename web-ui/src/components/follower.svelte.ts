import { api, ApiError } from '../api/client';
import type { LogFile } from '../api/types';
import { extend, openTail, READ_LENGTH, type Tail } from '../model/tail';

/** How often a file is looked at for more, in milliseconds. */
const PERIOD_MS = 1_000;
/** After so many reads without news the size is asked for, to notice a file that was emptied or replaced. */
const QUIET_READS = 10;

/** Follows the end of one file of a task until it is stopped. */
export class Follower {
  tail = $state.raw<Tail | undefined>(undefined);
  error = $state.raw<Error | undefined>(undefined);

  #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #quiet = 0;

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
    if (!signal.aborted) this.#timer = setTimeout(() => void this.#look(), PERIOD_MS);
  }

  /** Reads until the present end of the file. */
  async #read(signal: AbortSignal): Promise<void> {
    let tail = this.tail;
    if (!tail || this.#quiet >= QUIET_READS) {
      const { offset: size } = await api.file(this.task, this.file, undefined, signal);
      this.#quiet = 0;
      if (!tail || size < tail.next) tail = openTail(size);
    }
    for (;;) {
      const piece = await api.file(this.task, this.file, { offset: tail.next, length: READ_LENGTH }, signal);
      if (signal.aborted) return;
      this.#quiet = piece.data === '' ? this.#quiet + 1 : 0;
      tail = extend(tail, piece.data);
      this.tail = tail;
      if (piece.data === '') return;
    }
  }

  /** Whether the task or its sandbox is not there (any more). */
  get gone(): boolean {
    return this.error instanceof ApiError && this.error.status === 404;
  }
}
