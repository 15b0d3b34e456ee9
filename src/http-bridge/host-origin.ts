// Wrong Host or Origin is refused on every route: a page in a browser must not reach the bridge by a name that it made up (DNS rebinding).
import type { Config } from '../config.js';
import { DispatcherError } from '../errors.js';

/** The page's own name: a cookie for `localhost` reaches every port's server, one for this name only ours. */
export const pageHost = 'doe.localhost';

const loopbackNames = ['127.0.0.1', 'localhost', '[::1]', pageHost];

/** A loopback address under the page's own name; any other address as it is. */
export const underPageName = (address: string): string =>
  address.replace(/^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(?=:|$)/, `http://${pageHost}`);

/** The origins under which this process may be spoken to. */
export function allowedOrigins(
  config: Pick<Config, 'allowedHosts' | 'publicUrl'>,
  ownAddresses: readonly string[],
): Set<string> {
  const ports = ownAddresses.map((address) => new URL(address).port || '80');
  const loopback = loopbackNames.flatMap((name) => ports.map((port) => `http://${name}:${port}`));
  const further = config.allowedHosts.flatMap((host) => [
    `http://${host}`,
    `https://${host}`,
    ...ports.map((port) => `http://${host}:${port}`),
  ]);
  const given = config.publicUrl === null ? [] : [new URL(config.publicUrl).origin];
  // The public address first: where its host is also named without a scheme, the one that people were given counts.
  return new Set([...given, ...loopback, ...ownAddresses, ...further].map(normal));
}

/**
 * Whether nobody else can answer at an allowed origin: we listen there, or the settings name it. A loopback name that we do not
 * listen on, such as `[::1]`, may be a stranger's on the same port.
 */
export const isOurs = (origin: string, ownAddresses: readonly string[]): boolean =>
  ownAddresses.map(normal).includes(origin) || !loopbackNames.some((name) => isAt(name, origin));

const isAt = (name: string, origin: string): boolean =>
  origin === `http://${name}` || origin.startsWith(`http://${name}:`);

/** `http://host` and `http://host:80` are the same. */
const normal = (origin: string): string => {
  try {
    return new URL(origin).origin;
  } catch {
    return origin;
  }
};

/**
 * @returns the origin that the client dialed, by its Host header
 * @throws DispatcherError `host_not_allowed`, `origin_not_allowed`
 */
export function assertHostAndOrigin(headers: Headers, allowed: Set<string>): string {
  const host = headers.get('host')?.toLowerCase() ?? '';
  // Compared as text: a URL parser would take more for our name, such as `x@127.0.0.1` or `0x7f.1`.
  const stated = [`http://${host.replace(/:80$/, '')}`, `https://${host.replace(/:443$/, '')}`];
  const dialed = [...allowed].find((origin) => stated.includes(origin));
  if (dialed === undefined) {
    throw new DispatcherError('host_not_allowed', 'The Host of this request is not one of the bridge.', {
      hint: 'Use the address that the bridge listens on; name others in DOE_ALLOWED_HOSTS.',
    });
  }
  const origin = headers.get('origin');
  if (origin !== null && !allowed.has(origin.toLowerCase())) {
    throw new DispatcherError('origin_not_allowed', 'A page of another origin may not call the bridge.', {
      hint: 'Call it from a program, or from its own page.',
    });
  }
  return dialed;
}
