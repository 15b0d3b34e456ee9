// Runs beside the automation, where an endless loop cannot hold it up: a server that was killed leaves no loop behind.
import { workerData } from 'node:worker_threads';

const { parent } = workerData;

setInterval(() => {
  if (process.ppid !== parent) process.kill(-process.pid, 'SIGKILL');
}, 1000);
