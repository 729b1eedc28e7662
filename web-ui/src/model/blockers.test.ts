import { expect, it } from 'vitest';
import { reasonsOf, whyWaiting } from './blockers';
import { app, queued } from './fixtures';

const summary = {
  processedOffersCount: 5,
  unusedOffersCount: 5,
  rejectSummaryLastOffers: [
    { reason: 'UnfulfilledRole', declined: 0, processed: 3 },
    { reason: 'UnfulfilledConstraint', declined: 1, processed: 3 },
    { reason: 'InsufficientMemory', declined: 2, processed: 2 },
  ],
};

it('reasons that turned down nothing are left out, the most frequent comes first', () => {
  expect(reasonsOf(summary.rejectSummaryLastOffers).map((row) => row.reason)).toEqual(['InsufficientMemory', 'UnfulfilledConstraint']);
});

it('a reason that is not known keeps its name', () => {
  expect(reasonsOf([{ reason: 'New', declined: 1, processed: 1 }])[0]?.meaning).toBe('New');
});

it.each([
  [
    { delay: { timeLeftSeconds: 75, overdue: false }, processedOffersSummary: summary },
    '1 instance to launch; the next try waits 1m 15s because earlier ones failed.',
  ],
  [
    { count: 2, processedOffersSummary: summary },
    '2 instances to launch; not enough memory left (InsufficientMemory, 2 of 2 offers).',
  ],
  [{}, '1 instance to launch; no agent has offered resources yet.'],
  [
    { processedOffersSummary: { processedOffersCount: 1, unusedOffersCount: 0 } },
    '1 instance to launch; waiting for the next offer.',
  ],
])('%o is told as: %s', (change, text) => {
  expect(whyWaiting(queued(app('/a'), change))).toBe(text);
});
