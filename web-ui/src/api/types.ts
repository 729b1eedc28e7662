/**
 * The shapes that the page reads from the API, under the names that the rest of the page uses.
 *
 * Everything else imports from here and from nowhere else, so that where the shapes come from is decided in one file.
 */

/** ISO-8601 in UTC, such as `2026-03-04T05:06:07.089Z`. */
export type Timestamp = string;

export interface HealthCheckResult {
  instanceId: string;
  alive: boolean;
  consecutiveFailures: number;
  firstSuccess?: Timestamp;
  lastSuccess?: Timestamp;
  lastFailure?: Timestamp;
  lastFailureCause?: string;
}

export interface Task {
  id: string;
  appId: string;
  host: string;
  slaveId?: string;
  state: string;
  stagedAt?: Timestamp;
  startedAt?: Timestamp;
  version?: Timestamp;
  ports: number[];
  ipAddresses?: { ipAddress: string; protocol: string }[];
  healthCheckResults?: HealthCheckResult[];
}

export interface TaskFailure {
  appId: string;
  host: string;
  message: string;
  state: string;
  taskId: string;
  timestamp: Timestamp;
  version: Timestamp;
  slaveId?: string;
}

export interface App {
  id: string;
  cmd?: string;
  args?: string[];
  instances: number;
  cpus: number;
  mem: number;
  disk?: number;
  gpus?: number;
  healthChecks?: unknown[];
  labels?: Record<string, string>;
  dependencies?: string[];
  version: Timestamp;
  versionInfo?: { lastScalingAt: Timestamp; lastConfigChangeAt: Timestamp };
  tasksStaged?: number;
  tasksRunning?: number;
  tasksHealthy?: number;
  tasksUnhealthy?: number;
  deployments?: { id: string }[];
  tasks?: Task[];
  lastTaskFailure?: TaskFailure;
}

export interface Group {
  id: string;
  apps: App[];
  groups: Group[];
  dependencies?: string[];
  version?: Timestamp;
}

export interface DeploymentAction {
  action: string;
  app?: string;
  pod?: string;
}

export interface DeploymentStep {
  actions: DeploymentAction[];
}

export interface Deployment {
  id: string;
  version: Timestamp;
  affectedApps: string[];
  affectedPods?: string[];
  steps: DeploymentStep[];
  currentActions: DeploymentAction[];
  currentStep: number;
  totalSteps: number;
}

export interface DeploymentResult {
  version: Timestamp;
  deploymentId: string;
}

export interface RejectReason {
  reason: string;
  declined: number;
  processed: number;
}

export interface UnusedOffer {
  offer: { id: string; hostname: string; agentId: string };
  reason: string[];
  timestamp: Timestamp;
}

export interface QueueItem {
  app?: App;
  pod?: { id: string };
  count: number;
  role?: string;
  since?: Timestamp;
  delay: { timeLeftSeconds: number; overdue: boolean };
  processedOffersSummary?: {
    processedOffersCount: number;
    unusedOffersCount: number;
    lastUnusedOfferAt?: Timestamp;
    lastUsedOfferAt?: Timestamp;
    rejectSummaryLastOffers?: RejectReason[];
    rejectSummaryLaunchAttempt?: RejectReason[];
  };
  lastUnusedOffers?: UnusedOffer[];
}

export interface Info {
  name: string;
  version: string;
  elected?: boolean;
  leader?: string | null;
  frameworkId?: string | null;
}

export interface ErrorDetail {
  path: string;
  errors: string[];
}

/** One piece of a task's file; `offset` counts bytes from the file's start. */
export interface FilePiece {
  data: string;
  offset: number;
}

/** The files of a task's sandbox that can be followed. */
export type LogFile = 'stdout' | 'stderr';
