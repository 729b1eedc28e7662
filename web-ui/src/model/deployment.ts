import type { App, Deployment, DeploymentAction } from '../api/types';
import { taskHealth } from './health';

export type StepState = 'done' | 'current' | 'ahead';

/** How far a deployment is. Steps count from 1; while it is only planned, `step` is 0. */
export interface Progress {
  step: number;
  total: number;
  /** Finished steps as a share of all, 0 to 1. */
  fraction: number;
}

/** Progress in whole steps. */
export function progressOf(deployment: Deployment): Progress {
  const total = deployment.totalSteps;
  const step = Math.min(deployment.currentStep, total);
  return { step, total, fraction: total === 0 ? 1 : Math.max(0, step - 1) / total };
}

/** State of the step at `index` (from 0). */
export function stepState(deployment: Deployment, index: number): StepState {
  const number = index + 1;
  if (number < deployment.currentStep) return 'done';
  return number === deployment.currentStep ? 'current' : 'ahead';
}

const VERBS: Record<string, string> = {
  StartApplication: 'start',
  StopApplication: 'stop',
  ScaleApplication: 'scale',
  RestartApplication: 'upgrade or restart',
  StartPod: 'start pod',
  StopPod: 'stop pod',
  ScalePod: 'scale pod',
  RestartPod: 'upgrade or restart pod',
};

/** What an action does, in words. Unknown actions keep their name. */
export function actionVerb(action: DeploymentAction): string {
  return VERBS[action.action] ?? action.action;
}

/** How far one action of the running step is: instances that are as they should be, out of those wanted. */
export interface ActionProgress {
  ready: number;
  wanted: number;
  /** Instances that still have to go: of an older configuration, more than wanted, or all of a stopping app. */
  leaving: number;
}

/**
 * Progress of an action from the app's tasks. A task is ready when it runs the app's present configuration and its health
 * checks, if any, pass. `app` is undefined when the app is already gone.
 */
export function actionProgress(action: DeploymentAction, app: App | undefined): ActionProgress | undefined {
  if (action.action === 'StopApplication') {
    return { ready: 0, wanted: 0, leaving: app?.tasks?.length ?? 0 };
  }
  if (!app?.tasks) return undefined;
  const configured = Date.parse(app.versionInfo?.lastConfigChangeAt ?? app.version);
  const isPresent = (version: string | undefined) => version !== undefined && Date.parse(version) >= configured;
  const checks = app.healthChecks?.length ?? 0;
  let ready = 0;
  let old = 0;
  for (const task of app.tasks) {
    if (!isPresent(task.version)) old += 1;
    else if (task.state === 'TASK_RUNNING' && isReady(taskHealth(task, checks))) ready += 1;
  }
  const surplus = Math.max(0, app.tasks.length - old - app.instances);
  return { ready: Math.min(ready, app.instances), wanted: app.instances, leaving: old + surplus };
}

function isReady(health: ReturnType<typeof taskHealth>): boolean {
  return health === 'healthy' || health === 'unchecked';
}

/** The ids that the deployment works on right now. */
export function currentApps(deployment: Deployment): string[] {
  return [...new Set(deployment.currentActions.flatMap((action) => action.app ?? []))];
}
