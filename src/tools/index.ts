// The table of contents of the product: six verbs in the order of a task's life, then what helps around them.
import { acknowledge } from './acknowledge.js';
import { annealComplete } from './anneal-complete.js';
import { listAnneals, readAnneal } from './anneals.js';
import { listAudit, verifyAudit } from './audit.js';
import { listAutomations, runAutomation } from './automations.js';
import { createTask } from './create-task.js';
import { openPage } from './open-page.js';
import type { AnyOperation } from './operation.js';
import { pause, resume } from './pause.js';
import { listDirectives, listTasks, readDirective, taskLogs } from './reading.js';
import { recordFailure } from './record-failure.js';
import { reviewTask } from './review.js';
import { cancelTask, dismissAnneal, retryTask } from './task-moves.js';
import { taskStatus } from './task-status.js';
import { listTrust, trustItems } from './trust.js';
import { validateAck } from './validate-ack.js';

export const operations: readonly AnyOperation[] = [
  createTask,
  acknowledge,
  validateAck,
  taskStatus,
  recordFailure,
  annealComplete,

  listDirectives,
  readDirective,
  listTasks,
  cancelTask,
  listAutomations,
  runAutomation,

  reviewTask,
  taskLogs,
  retryTask,
  dismissAnneal,
  listAnneals,
  readAnneal,
  listTrust,
  trustItems,
  pause,
  resume,
  listAudit,
  verifyAudit,
  openPage,
];

export {
  acknowledge,
  annealComplete,
  cancelTask,
  createTask,
  dismissAnneal,
  listAnneals,
  listAudit,
  listAutomations,
  listDirectives,
  listTasks,
  listTrust,
  openPage,
  pause,
  readAnneal,
  readDirective,
  recordFailure,
  resume,
  retryTask,
  reviewTask,
  runAutomation,
  taskLogs,
  taskStatus,
  trustItems,
  validateAck,
  verifyAudit,
};
