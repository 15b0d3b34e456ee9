// What Node's parser gives up on never reaches a route; it is refused in the same form.
import type { Duplex } from 'node:stream';
import { DispatcherError, publicError } from '../errors.js';

/** Of a parser's error, what it read last. */
type ParserError = NodeJS.ErrnoException & { rawPacket?: Buffer };

/** Answers a server's `clientError`. A HEAD gets the head alone (RFC 9110, section 9.3.2): a client takes more for a fault. */
export function refuseUnreadable(error: ParserError, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, refusal] = unreadable(error.code);
  const body = JSON.stringify({ ok: false, ...publicError(refusal) });
  const head = [`HTTP/1.1 ${status}`, 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`];
  const shown = error.rawPacket?.toString('latin1', 0, 5) === 'HEAD ' ? '' : body;
  socket.end([...head, 'Cache-Control: no-store', 'Connection: close', '', shown].join('\r\n'));
}

function unreadable(code: string | undefined): [status: string, refusal: DispatcherError] {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const refusal = new DispatcherError('too_large', 'The address and the headers are larger than 16 KiB.', {
      hint: 'Send what is large in the body.',
    });
    return ['431 Request Header Fields Too Large', refusal];
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const refusal = new DispatcherError('invalid_input', 'The request was not whole in time.', {
      hint: 'Send it again.',
    });
    return ['408 Request Timeout', refusal];
  }
  return [
    '400 Bad Request',
    new DispatcherError('invalid_input', 'This is no HTTP request.', { hint: 'Speak HTTP/1.1.' }),
  ];
}
