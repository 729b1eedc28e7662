/** How long a notice stays, in milliseconds. */
const SHOWN_MS = 8_000;
/** Most notices at once; the oldest goes first. */
const MOST = 4;

export interface Notice {
  key: number;
  text: string;
  /** Deployment that the notice is about. */
  deployment: string | undefined;
}

/** Short messages on what the operator just did. */
class Notices {
  list = $state.raw<readonly Notice[]>([]);
  #next = 1;

  say(text: string, deployment?: string): void {
    const key = this.#next;
    this.#next += 1;
    this.list = [...this.list, { key, text, deployment }].slice(-MOST);
    setTimeout(() => this.dismiss(key), SHOWN_MS);
  }

  dismiss(key: number): void {
    this.list = this.list.filter((notice) => notice.key !== key);
  }
}

export const notices = new Notices();
