// What a directive may ask for by itself, and what only with an operator's trust.
import type { TaskPolicy } from '../tasks/task.js';
import { type Assurance, stronger } from '../tasks/task.js';
import type { FrontMatter, TaskDirective } from './index.js';

/** The policy in force for one content of a directive. */
export interface EffectivePolicy {
  trusted: boolean;
  requireAck: boolean;
  ack: Assurance;
  /** Whose passkeys count; empty: anybody's. */
  approvers: string[];
  /** How many owners of different passkeys must agree; more than 1 only with `ack: passkey`. */
  quorum: number;
  secrets: string[];
  integrations: string[];
  /** What the directive asks for and does not get until it is trusted; empty where nothing is held back. */
  withheld: string[];
}

/** The settings of a directive that take effect only when trusted, as front matter words. */
function privileges({ requireAck, ack, secrets, integrations }: FrontMatter): string[] {
  return [
    ...(requireAck ? [] : ['require_ack: false']),
    ...(ack === 'agent' ? ['ack: agent'] : []),
    ...(secrets.length === 0 ? [] : [`secrets: ${secrets.join(', ')}`]),
    ...(integrations.length === 0 ? [] : [`integrations: ${integrations.join(', ')}`]),
  ];
}

/** Whether trusting this directive would change anything. */
export const asksForTrust = (directive: TaskDirective): boolean => privileges(directive.frontMatter).length > 0;

/**
 * Untrusted, a directive counts as `require_ack: true, ack: client` (or the more that it asks for) without secrets and integrations.
 * @param minAck the floor under every directive's `ack`
 */
export function effectivePolicy(frontMatter: FrontMatter, trusted: boolean, minAck: Assurance): EffectivePolicy {
  const withheld = trusted ? [] : privileges(frontMatter);
  return {
    trusted,
    requireAck: trusted ? frontMatter.requireAck : true,
    ack: stronger(minAck, trusted ? frontMatter.ack : stronger('client', frontMatter.ack)),
    approvers: frontMatter.approvers,
    quorum: frontMatter.quorum,
    secrets: trusted ? frontMatter.secrets : [],
    integrations: trusted ? frontMatter.integrations : [],
    withheld,
  };
}

/** The part of the policy that travels with the task into the queue. */
export const taskPolicy = (frontMatter: FrontMatter, { requireAck }: EffectivePolicy): TaskPolicy => ({
  requireAck,
  maxAttempts: frontMatter.retry.count + 1,
  backoffMs: frontMatter.retry.backoffMs,
  onInterrupt: frontMatter.retry.onInterrupt,
  autoAnneal: frontMatter.autoAnneal,
  hasFixScript: frontMatter.fixScript !== null,
  timeoutMs: frontMatter.timeoutMs,
  concurrency: frontMatter.concurrency,
});
