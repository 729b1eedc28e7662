import type { QueueItem, RejectReason } from '../api/types';
import { plural } from './format';
import { isBackingOff } from './status';
import { duration } from './time';

/** What each reason for an unused offer means to the owner of the app. */
const MEANINGS: Record<string, string> = {
  UnfulfilledRole: 'offered resources are reserved for other roles',
  UnfulfilledConstraint: 'the agent does not satisfy the constraints',
  NoCorrespondingReservationFound: 'the agent does not hold the reserved volumes',
  AgentMaintenance: 'the agent is under maintenance',
  InsufficientCpus: 'not enough CPUs left',
  InsufficientMemory: 'not enough memory left',
  InsufficientDisk: 'not enough disk left',
  InsufficientGpus: 'not enough GPUs left',
  InsufficientPorts: 'the wanted ports are taken',
  DeclinedScarceResources: 'the agent is kept for apps that need its GPUs',
};

export interface Reason {
  reason: string;
  meaning: string;
  declined: number;
  processed: number;
}

/** The reasons that turned offers down, the most frequent first. */
export function reasonsOf(summary: readonly RejectReason[] | undefined): Reason[] {
  return (summary ?? [])
    .filter((row) => row.declined > 0)
    .map((row) => ({ ...row, meaning: MEANINGS[row.reason] ?? row.reason }))
    .sort((left, right) => right.declined - left.declined);
}

/** One sentence on why instances of a queued app are not running. */
export function whyWaiting(item: QueueItem): string {
  const waiting = plural(item.count, 'instance');
  if (isBackingOff(item)) {
    return `${waiting} to launch; the next try waits ${duration(item.delay.timeLeftSeconds)} because earlier ones failed.`;
  }
  const summary = item.processedOffersSummary;
  const last = reasonsOf(summary?.rejectSummaryLastOffers)[0] ?? reasonsOf(summary?.rejectSummaryLaunchAttempt)[0];
  if (last) return `${waiting} to launch; ${last.meaning} (${last.reason}, ${last.declined} of ${last.processed} offers).`;
  if (!summary || summary.processedOffersCount === 0) return `${waiting} to launch; no agent has offered resources yet.`;
  return `${waiting} to launch; waiting for the next offer.`;
}
