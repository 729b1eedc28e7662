/**
 * The shapes that the page reads from the API, under the names that the rest of the page uses.
 *
 * They are cut out of the generated schema: only members that the page reads, so that a member which the API renames or changes
 * fails the type check here. Everything else imports from here and from nowhere else.
 */
import type { components } from './schema';

type Schemas = components['schemas'];

/** Members `Needed` of `Shape`, and those of `Optional` that an older or terser answer may leave out. */
type Cut<Shape, Needed extends keyof Shape, Optional extends keyof Shape = never> = Pick<Shape, Needed> &
  Partial<Pick<Shape, Optional>>;

/** ISO-8601 in UTC, such as `2026-03-04T05:06:07.089Z`. */
export type Timestamp = string;

export type HealthCheckResult = Schemas['HealthCheckResult'];

export type Task = Cut<
  Omit<Schemas['Task'], 'state'>,
  'id' | 'appId' | 'host' | 'ports',
  'slaveId' | 'stagedAt' | 'startedAt' | 'version' | 'ipAddresses' | 'healthCheckResults'
> & {
  /** One of `TaskState`, but a state that is not known here is shown as it is. */
  state: string;
};

export type TaskFailure = Omit<Schemas['TaskFailure'], 'state'> & { state: string };

export type App = Cut<
  Omit<Schemas['AppInfo'], 'tasks' | 'lastTaskFailure' | 'healthChecks' | 'version'>,
  'id' | 'instances' | 'cpus' | 'mem',
  | 'cmd'
  | 'args'
  | 'disk'
  | 'gpus'
  | 'labels'
  | 'dependencies'
  | 'versionInfo'
  | 'tasksStaged'
  | 'tasksRunning'
  | 'tasksHealthy'
  | 'tasksUnhealthy'
  | 'deployments'
> & { version: Timestamp; healthChecks?: unknown[]; tasks?: Task[]; lastTaskFailure?: TaskFailure };

export type Group = Cut<Omit<Schemas['GroupInfo'], 'apps' | 'groups'>, 'id', 'dependencies' | 'version'> & {
  apps: App[];
  groups: Group[];
};

/** Names of actions are texts: one that is not known here is shown as it is. */
export type DeploymentAction = Omit<Schemas['DeploymentAction'], 'action'> & { action: string };

export interface DeploymentStep {
  actions: DeploymentAction[];
}

export type Deployment = Cut<
  Omit<Schemas['DeploymentStepInfo'], 'steps' | 'currentActions'>,
  'id' | 'version' | 'affectedApps' | 'currentStep' | 'totalSteps',
  'affectedPods'
> & { steps: DeploymentStep[]; currentActions: DeploymentAction[] };

export type DeploymentResult = Schemas['DeploymentResult'];

export type RejectReason = Omit<Schemas['RejectSummary'], 'reason'> & { reason: string };

export interface UnusedOffer {
  offer: Pick<Schemas['Offer'], 'id' | 'hostname' | 'agentId'>;
  reason: string[];
  timestamp: Timestamp;
}

export type QueueItem = Cut<Omit<Schemas['QueueItem'], 'app'>, 'count' | 'delay', 'role' | 'since'> & {
  app?: App;
  pod?: { id: string };
  processedOffersSummary?: Cut<
    Schemas['ProcessedOffersSummary'],
    'processedOffersCount' | 'unusedOffersCount',
    'lastUnusedOfferAt' | 'lastUsedOfferAt'
  > & { rejectSummaryLastOffers?: RejectReason[]; rejectSummaryLaunchAttempt?: RejectReason[] };
  lastUnusedOffers?: UnusedOffer[];
};

export type Info = Cut<Schemas['Info'], 'name' | 'version', 'elected' | 'leader' | 'frameworkId'>;

export type ErrorDetail = Schemas['FieldErrors'];

/** One piece of a task's file; `offset` counts bytes from the file's start. */
export type FilePiece = Schemas['FilePart'];

/** The files of a task's sandbox that can be followed. */
export type LogFile = 'stdout' | 'stderr';
