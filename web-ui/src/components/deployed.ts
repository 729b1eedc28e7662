import { notices } from '../api/notices.svelte';
import { markAll } from '../api/resource.svelte';

/** Tells of a change that the server accepted, and shows it without waiting for its events. */
export function deployed(text: string, deployment?: string): void {
  notices.say(text, deployment);
  markAll(['all']);
}
