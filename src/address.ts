// Where what listens on HOST and PORT is reached from this machine.

const nearest: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '[::1]', localhost: '127.0.0.1' };

/** Such as `http://127.0.0.1:3001`. */
export const addressOf = (host: string, port: number): string =>
  `http://${nearest[host] ?? (host.includes(':') ? `[${host}]` : host)}:${port}`;

/** Where MCP_URL points when nothing else is known. */
export const defaultAddress = 'http://127.0.0.1:3001';

/** Where a `doe serve` with these settings is; the default where it takes any free port, which nobody knows before. */
export const configuredAddress = ({ host, port }: { host: string; port: number }): string =>
  port === 0 ? defaultAddress : addressOf(host, port);
