// What happened, in words: for a task's way and for the audit trail.
import type { Event } from '../../queue/store.js';

const texts: Record<string, string> = {
  created: 'created',
  acknowledged: 'approved',
  ack_refused: 'an approval was not allowed',
  rejected: 'refused',
  pinned_anew: 'changed before the approval, pinned anew',
  stale: 'waited too long for an approval',
  ack_void: 'the approval no longer held',
  started: 'a run began',
  succeeded: 'succeeded',
  retry_scheduled: 'failed, to be tried again',
  failed: 'failed',
  fix_refused: 'the fix_script was not run',
  anneal_opened: 'failed, waits for a repair',
  cancelled: 'cancelled',
  cancel_requested: 'asked to stop',
  failure_recorded: 'a failure was recorded from outside',
  anneal_completed: 'repaired',
  anneal_dismissed: 'repair dismissed',
  retried: 'sent round again',
  validated: 'the script checked its token',
  trusted: 'trusted',
  consented: 'one owner of a passkey agreed',
  passkey_added: 'a passkey was enrolled',
  passkey_refused: 'a passkey was refused',
  paused: 'paused',
  resumed: 'resumed',
  signed_in: 'signed in',
  sign_in_refused: 'a sign-in was refused',
  validation_refused: 'tokens were refused',
};

export const eventText = ({ type }: Pick<Event, 'type'>): string => texts[type] ?? type.replaceAll('_', ' ');

/** For a choice; with `also`, what was asked for though it is not known here. */
export const eventTypes = (also: string): string[] => {
  const known = Object.keys(texts);
  return also === '' || known.includes(also) ? known : [...known, also];
};

const bad = [
  'rejected',
  'stale',
  'ack_void',
  'retry_scheduled',
  'failed',
  'anneal_opened',
  'failure_recorded',
  'cancelled',
  'sign_in_refused',
  'passkey_refused',
];
const good = ['acknowledged', 'succeeded', 'anneal_completed', 'trusted', 'consented'];

export const eventTone = ({ type }: Pick<Event, 'type'>): string => {
  if (good.includes(type)) return 'good';
  if (bad.includes(type)) return 'bad';
  return type === 'started' ? 'live' : '';
};

/** What a reader wants of an event's particulars; hashes and ids stand in the audit trail. */
export const eventDetail = ({ data }: Pick<Event, 'data'>): string =>
  [data.reason, data.note, data.message, data.error_type]
    .filter((part) => typeof part === 'string' && part !== '')
    .join(' · ');
