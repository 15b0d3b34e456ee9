// The page's own files, read once, named by their content so that a browser may keep them.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const types = {
  'simple.min.css': 'text/css; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;
export type AssetName = keyof typeof types;

interface Asset {
  bytes: Buffer<ArrayBuffer>;
  type: string;
  tag: string;
}

const loaded = new Map<string, Asset>();

/** Null where there is none of this name. */
export function asset(name: string): Asset | null {
  if (!Object.hasOwn(types, name)) return null;
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const bytes = Buffer.from(readFileSync(new URL(`./assets/${name}`, import.meta.url)));
  const made = {
    bytes,
    type: types[name as AssetName],
    tag: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
  };
  loaded.set(name, made);
  return made;
}

/** Where the page finds an asset; another content is another address. */
export const assetUrl = (name: AssetName): string => `/ui/assets/${name}?v=${asset(name)?.tag ?? ''}`;
