// Creates and acknowledges tasks until all are there; killed and started again, it goes on where it was. Arguments: the build, the home, how many.
const [, , build, home, count] = process.argv;
const load = (file) => import(`${build}/${file}`);
const [{ createApp }, { loadConfig }, { silentLog }, { invoke }, { acknowledge, createTask }] = await Promise.all(
  ['app.js', 'config.js', 'log.js', 'tools/operation.js', 'tools/index.js'].map(load),
);
const app = await createApp({ config: loadConfig(home), kind: 'command', log: silentLog });
process.stderr.write('ready\n');
const call = { caller: { principal: 'operator', channel: 'terminal', keyId: null, person: 'jo' } };
for (let n = 0; n < Number(count); n++) {
  const task_id = `t${n}`;
  const known = await app.dispatcher.store.tasks.get(task_id);
  if (known !== null && known.status !== 'awaiting_ack') continue;
  const input = { task_type: 'storm', project_id: 'p', actor_id: 'jo' };
  await invoke(app.dispatcher, createTask, { ...input, task_id }, call);
  await invoke(app.dispatcher, acknowledge, { task_id, actor_id: 'jo' }, call);
}
await app.stop();
