/** Something whose shown state may have become old. `group:/a` stands for everything at or below `/a`. */
export type Topic = 'all' | 'tree' | 'deployments' | `app:${string}` | `group:${string}`;

/** What an event of the stream makes worth reading again. */
export function topicsOf(type: string, data: Record<string, unknown>): Topic[] {
  switch (type) {
    case 'status_update_event':
    case 'app_terminated_event':
    case 'health_status_changed_event':
    case 'failed_health_check_event':
    case 'unhealthy_instance_kill_event':
      return appTopics(data['appId']);
    case 'instance_changed_event':
    case 'instance_health_changed_event':
    case 'unknown_instance_terminated_event':
      return appTopics(data['runSpecId']);
    case 'group_change_success':
      return ['tree', 'deployments', `group:${String(data['groupId'] ?? '/')}`];
    case 'deployment_info':
    case 'deployment_step_success':
    case 'deployment_step_failure':
    case 'deployment_success':
    case 'deployment_failed':
      return ['tree', 'deployments', ...appsOfPlan(data['plan'])];
    case 'api_post_event': // the group_change_success beside it says the same
    case 'group_change_failed': // nothing changed
    case 'add_health_check_event':
    case 'remove_health_check_event':
    case 'event_stream_attached':
    case 'event_stream_detached':
    case 'framework_message_event':
      return [];
    case 'pod_created_event':
    case 'pod_updated_event':
    case 'pod_deleted_event':
      return ['tree', 'deployments'];
    default: // the scheduler lost or found its master, or a type of a newer server
      return ['all'];
  }
}

/** Whether a topic touches this app. */
export function concernsApp(topic: Topic, appId: string): boolean {
  if (topic === 'all') return true;
  if (topic.startsWith('app:')) return topic.slice(4) === appId;
  if (!topic.startsWith('group:')) return false;
  const group = topic.slice(6);
  return group === '/' || appId === group || appId.startsWith(`${group}/`);
}

/** The apps that `topics` name one by one; undefined if they name more than single apps. */
export function onlyApps(topics: Iterable<Topic>): string[] | undefined {
  const apps: string[] = [];
  for (const topic of topics) {
    if (!topic.startsWith('app:')) return undefined;
    apps.push(topic.slice(4));
  }
  return apps;
}

function appTopics(id: unknown): Topic[] {
  return typeof id === 'string' ? [`app:${id}`] : ['all'];
}

function appsOfPlan(plan: unknown): Topic[] {
  const steps = (plan as { steps?: { actions?: { app?: string }[] }[] } | undefined)?.steps ?? [];
  const apps = new Set(steps.flatMap((step) => step.actions ?? []).flatMap((action) => action.app ?? []));
  return [...apps].map((app): Topic => `app:${app}`);
}
