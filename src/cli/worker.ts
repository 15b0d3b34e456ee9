// `doe worker`: runs the home's queued tasks, and answers nobody but its own scripts.
import { createApp } from '../app.js';
import { type CommonOptions, logOf, settingsOf } from './home.js';
import { awaitEnding } from './signals.js';

export interface WorkerOptions extends CommonOptions {
  /** Seconds that running scripts get when it stops. */
  grace: number;
}

export async function run(options: WorkerOptions): Promise<void> {
  const config = await settingsOf(options);
  const log = logOf(config);
  const ending = awaitEnding();
  const app = await createApp({ config, kind: 'worker', log });
  try {
    await app.start();
    log.info('worker.ready', { home: config.home, concurrency: config.concurrency });
    log.info('worker.stopping', { reason: await ending.wished, grace_s: options.grace });
  } finally {
    await app.stop({ graceMs: options.grace * 1000 });
  }
  log.info('worker.stopped');
}
