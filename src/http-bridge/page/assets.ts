// The page's own files, read once, named by their content so that a browser may keep them; and the browser's half of passkeys,
// module by module as its package has them, so that nothing has to be built.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const types = {
  'simple.min.css': 'text/css; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;
export type AssetName = keyof typeof types;

/** Before the package's own file names. */
const webauthn = 'webauthn/';
let webauthnModules: Map<string, string> | undefined;

interface Asset {
  bytes: Buffer<ArrayBuffer>;
  type: string;
  tag: string;
}

const loaded = new Map<string, Asset>();

/** Null where there is none of this name. */
export function asset(name: string): Asset | null {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const found = Object.hasOwn(types, name) ? own(name as AssetName) : moduleOf(name);
  if (found === null) return null;
  const bytes = Buffer.from(readFileSync(found.path));
  const made = {
    bytes,
    type: found.type,
    tag: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
  };
  loaded.set(name, made);
  return made;
}

const own = (name: AssetName) => ({
  path: fileURLToPath(new URL(`./assets/${name}`, import.meta.url)),
  type: types[name],
});

function moduleOf(name: string): { path: string; type: string } | null {
  webauthnModules ??= listModules();
  const path = webauthnModules.get(name);
  return path === undefined ? null : { path, type: types['page.js'] };
}

function listModules(): Map<string, string> {
  const folder = dirname(fileURLToPath(import.meta.resolve('@simplewebauthn/browser')));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
  return new Map(files.map((file) => [`${webauthn}${file}`, join(folder, file)]));
}

/** Where the page finds an asset; another content is another address. */
export const assetUrl = (name: AssetName): string => `/ui/assets/${name}?v=${asset(name)?.tag ?? ''}`;
