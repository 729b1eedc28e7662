/** One action that the operator started, and how it goes. */
export class Attempt {
  busy = $state(false);
  error = $state.raw<unknown>(undefined);

  /** Runs the action unless one is running; `done` follows only if it succeeds. */
  async run<T>(action: () => Promise<T>, done: (result: T) => void): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.error = undefined;
    try {
      done(await action());
    } catch (error) {
      this.error = error;
    } finally {
      this.busy = false;
    }
  }
}
