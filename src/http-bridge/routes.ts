// The dispatcher's routes, from the list of operations: where the input comes from, and the status of success.
import {
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
  verifyAudit,
} from '../tools/index.js';
import type { AnyOperation } from '../tools/operation.js';

export interface Route {
  method: 'get' | 'post';
  path: string;
  operation: AnyOperation;
  /** Path parameters by the input field that they fill. */
  params?: Record<string, string>;
}

/** `POST /mcp/acknowledge` and `GET /mcp/validate-ack` stand apart, since tokens come in and go out there. */
export const routes: readonly Route[] = [
  { method: 'post', path: '/tasks', operation: createTask },
  { method: 'get', path: '/tasks', operation: listTasks },
  { method: 'get', path: '/tasks/:id/status', operation: taskStatus, params: { id: 'task_id' } },
  { method: 'get', path: '/tasks/:id/review', operation: reviewTask, params: { id: 'task_id' } },
  { method: 'get', path: '/tasks/:id/logs', operation: taskLogs, params: { id: 'task_id' } },
  { method: 'post', path: '/tasks/:id/failure', operation: recordFailure, params: { id: 'task_id' } },
  { method: 'post', path: '/tasks/:id/anneal-complete', operation: annealComplete, params: { id: 'task_id' } },
  { method: 'post', path: '/tasks/:id/anneal-dismiss', operation: dismissAnneal, params: { id: 'task_id' } },
  { method: 'post', path: '/tasks/:id/cancel', operation: cancelTask, params: { id: 'task_id' } },
  { method: 'post', path: '/tasks/:id/retry', operation: retryTask, params: { id: 'task_id' } },
  { method: 'get', path: '/directives', operation: listDirectives },
  { method: 'get', path: '/directives/:id', operation: readDirective, params: { id: 'id' } },
  { method: 'get', path: '/anneals', operation: listAnneals },
  { method: 'get', path: '/anneals/:aid', operation: readAnneal, params: { aid: 'aid' } },
  { method: 'get', path: '/automations', operation: listAutomations },
  { method: 'post', path: '/run', operation: runAutomation },
  { method: 'get', path: '/trust', operation: listTrust },
  { method: 'post', path: '/trust', operation: trustItems },
  { method: 'post', path: '/pause', operation: pause },
  { method: 'post', path: '/resume', operation: resume },
  { method: 'post', path: '/ui-codes', operation: openPage },
  { method: 'get', path: '/audit', operation: listAudit },
  { method: 'get', path: '/audit/verify', operation: verifyAudit },
];
