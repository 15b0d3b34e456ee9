// A worker in a process of its own, for tests that kill it. Arguments: the built app.js, config.js and log.js, the home.
const [, , build, home] = process.argv;
const { createApp } = await import(`${build}/app.js`);
const { loadConfig } = await import(`${build}/config.js`);
const { silentLog } = await import(`${build}/log.js`);
const app = await createApp({ config: loadConfig(home), kind: 'worker', log: silentLog });
await app.start();
process.stdout.write('started\n');
