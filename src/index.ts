// For programs that embed the dispatcher; the command line is `doe`.
export { type App, type AppOptions, createApp } from './app.js';
export { type Config, loadConfig } from './config.js';
export { DispatcherError, type ErrorCode } from './errors.js';
export { createLog, type Log, silentLog } from './log.js';
export { operations } from './tools/index.js';
export { type CallContext, invoke, type Operation } from './tools/operation.js';
