import type { StreamEvent } from '../api/events';

/** Most events kept for the events page; the oldest go first. */
export const KEPT_EVENTS = 500;

/** An event with the number under which this tab received it. */
export interface LoggedEvent extends StreamEvent {
  number: number;
}

/** The newest of both, at most `KEPT_EVENTS`, oldest first. */
export function keep(log: readonly LoggedEvent[], fresh: readonly LoggedEvent[]): LoggedEvent[] {
  return [...log, ...fresh].slice(-KEPT_EVENTS);
}

/** What an event is about: an app, a group, a deployment, or nothing. */
export function subjectOf(event: StreamEvent): string {
  const { data } = event;
  const plan = data['plan'] as { id?: unknown } | undefined;
  const definition = data['appDefinition'] as { id?: unknown } | undefined;
  const subject = data['appId'] ?? data['runSpecId'] ?? data['groupId'] ?? definition?.id ?? data['id'] ?? plan?.id;
  return String(subject ?? data['remoteAddress'] ?? data['master'] ?? '');
}

/** The part of an event that says what happened, in a few words. */
export function gistOf(event: StreamEvent): string {
  const { data } = event;
  const alive = data['alive'] ?? data['healthy'];
  const parts = [
    data['taskStatus'],
    data['condition'],
    typeof alive === 'boolean' ? (alive ? 'healthy' : 'unhealthy') : undefined,
    actionsOf(data['currentStep']),
    data['host'],
    data['reason'],
    data['message'],
  ];
  return parts.filter((part) => typeof part === 'string' && part !== '').join(' · ');
}

/** Whether the filter's words all occur in the event. */
export function matches(event: StreamEvent, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return true;
  const text = `${event.type} ${JSON.stringify(event.data)}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function actionsOf(step: unknown): string | undefined {
  const actions = (step as { actions?: { action: string; app?: string; pod?: string }[] } | undefined)?.actions;
  return actions?.map(({ action, app, pod }) => `${action} ${app ?? pod ?? ''}`).join(', ');
}
