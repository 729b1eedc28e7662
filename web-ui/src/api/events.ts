/** Everything that the stream may carry. A browser hands over named events only to those who ask for the name. */
export const EVENT_TYPES = [
  'add_health_check_event',
  'api_post_event',
  'app_terminated_event',
  'deployment_failed',
  'deployment_info',
  'deployment_step_failure',
  'deployment_step_success',
  'deployment_success',
  'event_stream_attached',
  'event_stream_detached',
  'failed_health_check_event',
  'framework_message_event',
  'group_change_failed',
  'group_change_success',
  'health_status_changed_event',
  'instance_changed_event',
  'instance_health_changed_event',
  'pod_created_event',
  'pod_deleted_event',
  'pod_updated_event',
  'remove_health_check_event',
  'scheduler_disconnected_event',
  'scheduler_registered_event',
  'scheduler_reregistered_event',
  'status_update_event',
  'unhealthy_instance_kill_event',
  'unknown_instance_terminated_event',
] as const;

/** One event as it came. */
export interface StreamEvent {
  /** Position in the server's log; empty if the server sent none. */
  id: string;
  type: string;
  data: Record<string, unknown>;
}

/** State of the stream: `lost` means that what is shown may be old. */
export type Connection = 'connecting' | 'live' | 'lost';

interface Handlers {
  event(event: StreamEvent): void;
  connection(state: Connection): void;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

/**
 * The one stream of this tab. The browser itself reconnects and resumes after a cut line; only when the server refused the
 * stream altogether does the browser give up, and this class tries again, waiting longer each time.
 */
export class EventStream {
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_RETRY_MS;

  constructor(
    private readonly url: string,
    private readonly handlers: Handlers,
    private readonly connect: (url: string) => EventSource = (to) => new EventSource(to),
  ) {}

  start(): void {
    const source = this.connect(this.url);
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_RETRY_MS;
      this.handlers.connection('live');
    };
    source.onerror = () => {
      this.handlers.connection('lost');
      if (source.readyState === 2) this.#retry(); // CLOSED: the browser will not try again
    };
    for (const type of EVENT_TYPES) {
      source.addEventListener(type, (message) => this.#received(type, message as MessageEvent<string>));
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
  }

  #received(type: string, message: MessageEvent<string>): void {
    let data: unknown;
    try {
      data = JSON.parse(message.data);
    } catch {
      data = { unreadable: message.data };
    }
    this.handlers.event({ id: message.lastEventId, type, data: data as Record<string, unknown> });
  }

  #retry(): void {
    this.stop();
    this.#timer = setTimeout(() => this.start(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_RETRY_MS);
  }
}
