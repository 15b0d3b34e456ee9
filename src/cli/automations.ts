// `doe automations` and `doe run`: small functions that run at once.
import { DispatcherError } from '../errors.js';
import type { listAutomations, runAutomation } from '../tools/index.js';
import { connectBridge } from './bridge.js';
import { type CommonOptions, settingsOf } from './home.js';
import { say, sayJson } from './output.js';
import { table, visibleLine } from './text.js';
import { orNearest } from './unknown-name.js';

export async function list(options: CommonOptions): Promise<void> {
  const bridge = await connectBridge(await settingsOf(options));
  const { automations } = await bridge.get<typeof listAutomations>('/automations');
  if (options.json === true) return sayJson({ automations, next_cursor: null });
  const state = ({ error, trusted, source }: (typeof automations)[number]) =>
    error ?? (trusted || source === 'builtin' ? '' : 'not trusted: `doe trust`');
  const rows = automations.map((automation) => [
    visibleLine(automation.name),
    automation.source,
    visibleLine(automation.description),
    visibleLine(state(automation)),
  ]);
  say(rows.length === 0 ? 'No automations.' : table(['AUTOMATION', 'FROM', 'DOES', ''], rows));
}

export interface RunOptions extends CommonOptions {
  dryRun?: boolean;
}

export async function runOne(automation: string, paramsJson: string | undefined, options: RunOptions): Promise<void> {
  const params = parseParams(paramsJson);
  const bridge = await connectBridge(await settingsOf(options));
  const body = { automation, params, dryRun: options.dryRun === true };
  try {
    const { result } = await bridge.post<typeof runAutomation>('/run', body);
    sayJson(options.json === true ? { result } : result);
  } catch (error) {
    throw error instanceof DispatcherError ? await orNearest(bridge, error, automation) : error;
  }
}

function parseParams(text = '{}'): object {
  try {
    const params: unknown = JSON.parse(text);
    if (params !== null && typeof params === 'object' && !Array.isArray(params)) return params;
  } catch (cause) {
    throw new DispatcherError('invalid_input', `params_json is no JSON text: ${(cause as Error).message}.`, {
      hint: `Quote it for the shell: doe run <automation> '{"name": "value"}'`,
      cause,
    });
  }
  throw new DispatcherError('invalid_input', 'params_json must be a JSON object.', {
    hint: `Such as '{"name": "value"}'.`,
  });
}
