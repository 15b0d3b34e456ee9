// One small drawing a kind of tool, as data URIs: no client has to fetch anything.
import type { Icon } from '@modelcontextprotocol/server';

const draw = (path: string): Icon => ({
  src: `data:image/svg+xml,${encodeURIComponent(`<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='none' stroke='#777' stroke-width='2' d='${path}'/></svg>`)}`,
  mimeType: 'image/svg+xml',
  sizes: ['any'],
});

const look = draw('M2 4h12M2 8h12M2 12h8');
const open = draw('M8 2v12M2 8h12');
const decide = draw('M2 9l4 4 8-10');
const stop = draw('M3 3l10 10M13 3L3 13');
const mend = draw('M2 14l8-8M9 3l4 4');
const run = draw('M4 2l9 6-9 6z');

const icons: Record<string, Icon> = {
  create_task: open,
  acknowledge: decide,
  validate_ack: decide,
  record_failure: stop,
  cancel_task: stop,
  anneal_complete: mend,
  run_automation: run,
};

export const iconOf = (tool: string): Icon => icons[tool] ?? look;
export const serverIcon: Icon = decide;
