// One line a state change, on stderr: stdout belongs to MCP on stdio. JSON lines, or short text on a terminal.
import { isoTime } from './clock.js';
import { DispatcherError } from './errors.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Record<string, unknown>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

const ranks: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LogOptions {
  level?: LogLevel;
  pretty?: boolean;
  write?: (line: string) => void;
  /** Takes known secret values out of a line before it is written. */
  redact?: (text: string) => string;
}

/** A logger whose lines are redacted before they leave. Fields with value undefined are left out. */
export function createLog({
  level = 'info',
  pretty = process.stderr.isTTY === true,
  write = (line) => process.stderr.write(line),
  redact = (text) => text,
}: LogOptions = {}): Log {
  const emit = (lineLevel: LogLevel, event: string, fields: LogFields = {}) => {
    if (ranks[lineLevel] < ranks[level]) return;
    const at = isoTime(Date.now());
    const line = pretty
      ? `${at.slice(11, 19)} ${lineLevel === 'info' ? '' : `${lineLevel} `}${event}${prettyFields(fields)}`
      : JSON.stringify({ at, level: lineLevel, event, ...plain(fields) });
    write(`${redact(line)}\n`);
  };
  return {
    debug: (event, fields) => emit('debug', event, fields),
    info: (event, fields) => emit('info', event, fields),
    warn: (event, fields) => emit('warn', event, fields),
    error: (event, fields) => emit('error', event, fields),
  };
}

/** Drops every line; for embedding and tests that do not look at logs. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

const plain = (fields: LogFields): LogFields =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? errorFields(value) : value]),
  );

const errorFields = (error: Error): LogFields => ({
  message: error.message,
  ...(error instanceof DispatcherError ? { code: error.code } : { stack: error.stack }),
  ...(error.cause instanceof Error ? { cause: errorFields(error.cause) } : {}),
});

const prettyFields = (fields: LogFields): string =>
  Object.entries(plain(fields))
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${onOneLine(typeof value === 'string' ? value : JSON.stringify(value))}`)
    .join('');

/** A script's last words stand in a reason: on a terminal they must neither control it nor pass for a line of ours. */
const onOneLine = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
