// The suite can send no key, so a proxy on loopback adds it. All else passes as it came, a foreign Host and Origin too; only
// its own name becomes the server's.
import { once } from 'node:events';
import { createServer, request } from 'node:http';

export async function openProxy({ address, key }) {
  const target = new URL(address);
  const server = createServer((incoming, outgoing) => {
    const own = `127.0.0.1:${server.address().port}`;
    const headers = { ...incoming.headers, 'x-api-key': key };
    if (headers.host === own) headers.host = target.host;
    if (headers.origin === `http://${own}`) headers.origin = target.origin;
    const { hostname, port } = target;
    const onward = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
