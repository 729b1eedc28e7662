/** Members of an answer that tell how an app is, not what it should be. */
const OBSERVED = new Set([
  'version',
  'versionInfo',
  'tasks',
  'tasksStaged',
  'tasksRunning',
  'tasksHealthy',
  'tasksUnhealthy',
  'tasksStats',
  'deployments',
  'lastTaskFailure',
  'readinessCheckResults',
]);

/** The part of an app's JSON that its owner decides; may be edited and sent back. */
export function definitionOf(app: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(app).filter(([key]) => !OBSERVED.has(key)));
}

/** The JSON that an editor shows. */
export function prettyJson(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** What a JSON text asks for when it is deployed. */
export type Draft =
  | { kind: 'app'; body: object }
  | { kind: 'group'; body: object; id: string }
  | { kind: 'unreadable'; message: string };

/** Reads the text of the editor. A group is told from an app by its `apps` or `groups`. */
export function readDraft(text: string): Draft {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return { kind: 'unreadable', message: error instanceof Error ? error.message : String(error) };
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { kind: 'unreadable', message: 'An application or a group is a JSON object: { … }' };
  }
  if (!('apps' in body) && !('groups' in body)) return { kind: 'app', body };
  if (!('id' in body) || typeof body.id !== 'string' || body.id.replaceAll('/', '') === '') {
    // Without an id the request would replace everything that is deployed.
    return { kind: 'unreadable', message: 'A group needs an id of its own, such as "/shop".' };
  }
  return { kind: 'group', body, id: body.id };
}

export interface FieldChange {
  field: string;
  from: string;
  to: string;
}

/** Top-level fields in which two definitions differ; an absent one reads `–`. */
export function changedFields(from: object, to: object): FieldChange[] {
  const before = definitionOf(from);
  const after = definitionOf(to);
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return fields
    .map((field) => ({ field, from: show(before[field]), to: show(after[field]) }))
    .filter((change) => change.from !== change.to);
}

function show(value: unknown): string {
  return value === undefined ? '–' : JSON.stringify(sorted(value));
}

/** The same value with object members in order, so that only real differences count. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, member]) => [key, sorted(member)]));
}

/** A first app that runs on any machine with a shell. */
export const SAMPLE_APP = {
  id: '/hello',
  cmd: 'while true; do echo "hello from $MESOS_TASK_ID"; sleep 2; done',
  cpus: 0.1,
  mem: 32,
  instances: 1,
};
