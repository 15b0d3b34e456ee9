"""What an execution script needs of the dispatcher, from the standard library alone.

    import doe                      # first of all imports

    doe.validate()                  # first of all calls: exits with 1 where the acknowledgement does not hold
    name = doe.payload()['name']
    doe.progress(40, 'uploading')
    answer = doe.integration('netlify', 'deploy', {'site': name, 'dir': 'sites/client1'})
    doe.result({'url': answer['url']})

Scripts start often and without cached bytecode, so this file is short and imports late.
"""
import os
import sys

# A file of execution/ must not stand in for a module of the standard library: an acknowledgement may not cover that file.
if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
    sys.path.append(sys.path.pop(0))

_MOST_BYTES = 64 * 1024 * 1024
_calls = 0


class IntegrationError(Exception):
    """A call that was refused or failed: `code` says why, `hint` what to do (None where nothing is known)."""

    def __init__(self, code: str, message: str, hint: 'str | None' = None) -> None:
        super().__init__(f'{code}: {message}' + (f' {hint}' if hint else ''))
        self.code = code
        self.hint = hint


def validate(timeout: float = 10) -> dict:
    """Ask the dispatcher whether this run is acknowledged, and answer what it says of the acknowledgement.

    Exits with 1 and a line on stderr where it is not, or where nobody can say: call it before anything else.
    """
    if len(sys.argv) < 3 or not sys.argv[2]:
        _stop(f'usage: {os.path.basename(sys.argv[0])} <task_id> <ack_token> [payload_json]')
    task_id, token = sys.argv[1:3]
    # Line by line, so that the task's log is live.
    sys.stdout.reconfigure(line_buffering=True)
    query = f'task_id={_quote(task_id)}'
    if os.environ.get('DOE_RUN_ID'):
        query += f'&run_id={_quote(os.environ["DOE_RUN_ID"])}'
    try:
        status, answer = _ask('GET', f'/mcp/validate-ack?{query}', token, timeout=timeout)
    except (OSError, ValueError) as error:
        _stop(f'cannot ask whether task {task_id} is acknowledged: {error}. Nothing was done.', token)
    if status != 200 or answer.get('ok') is not True or answer.get('task_id') != task_id:
        said = ' '.join(str(answer[key]) for key in ('error', 'hint') if answer.get(key))
        _stop(f'task {task_id} is not acknowledged ({answer.get("code", status)}). {said} Nothing was done.', token)
    return answer


def payload() -> dict:
    """The task's payload; empty where none was given."""
    import json

    try:
        value = json.loads(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] else {}
    except ValueError as error:
        _stop(f'the payload is no JSON: {error}')
    if not isinstance(value, dict):
        _stop('the payload must be a JSON object')
    return value


def progress(percent: float, text: str = '') -> None:
    """Set the task's progress, 0 to 100, with a few words for whoever watches."""
    print(f'::progress:: {round(min(max(percent, 0), 100))} {" ".join(str(text).split())}'.rstrip(), flush=True)


def result(value: object) -> None:
    """Leave one JSON value as the task's result; the last one counts. Printed where the script was started by hand."""
    import json

    text = json.dumps(value, allow_nan=False)
    file = os.environ.get('DOE_RESULT_FILE')
    if not file:
        print(f'result: {text}', flush=True)
        return
    part = f'{file}.{os.getpid()}'
    with open(part, 'w', encoding='utf-8') as writer:
        writer.write(text)
    os.replace(part, file)


def integration(name: str, action: str, input: 'dict | None' = None, timeout: float = 600) -> object:
    """Call a service through the dispatcher, which holds the service's key, and answer its result.

    The directive must list the integration, and be trusted. Raises IntegrationError.
    """
    import json

    global _calls
    _calls += 1
    key = os.environ.get('DOE_RUN_KEY')
    if not key:
        raise IntegrationError('unauthorized', 'There is no DOE_RUN_KEY.', 'Integrations answer to a run alone.')
    body = json.dumps({} if input is None else input, allow_nan=False).encode()
    # Two calls of one run are two calls: each gets a key of its own.
    headers = {'Idempotency-Key': f'{os.environ.get("DOE_RUN_ID", "")}:{name}:{action}:{_calls}'}
    try:
        path = f'/integrations/{_quote(name)}/{_quote(action)}'
        status, answer = _ask('POST', path, key, body=body, headers=headers, timeout=timeout)
    except (OSError, ValueError) as error:
        raise IntegrationError('bridge_unreachable', _hide(f'{name} {action} got no answer: {error}.', key)) from None
    if status != 200 or answer.get('ok') is not True:
        message = str(answer.get('error', f'{name} {action} was answered with {status}.'))
        hint = answer.get('hint')
        raise IntegrationError(str(answer.get('code', 'upstream')), _hide(message, key), hint and _hide(str(hint), key))
    return answer.get('result')


def _stop(message: str, secret: str = '') -> None:
    sys.stdout.flush()
    sys.stderr.write(f'doe: {_hide(message, secret)}\n')
    raise SystemExit(1)


def _hide(text: str, secret: str) -> str:
    return text.replace(secret, '…') if secret else text


def _quote(text: str) -> str:
    # RFC 3986: what is not unreserved is percent-encoded. urllib.parse would cost more than the whole exchange.
    return ''.join(chr(b) if chr(b).isalnum() and b < 128 or b in b'-._~' else f'%{b:02X}' for b in text.encode())


def _address() -> tuple:
    url = os.environ.get('MCP_URL') or 'http://127.0.0.1:3001'
    scheme, _, rest = url.partition('://')
    authority, _, base = rest.partition('/')
    host, _, port = authority.rpartition(':') if authority[-1:].isdigit() and ':' in authority else (authority, '', '80')
    if scheme.lower() != 'http' or not host or not port.isdigit() or '@' in host or not url.isascii():
        raise ValueError('MCP_URL must be http://host:port')
    return host, int(port), f'/{base}'.rstrip('/')


def _ask(method: str, path: str, bearer: str, body: bytes = b'', headers: 'dict | None' = None, timeout: float = 10) -> tuple:
    """One HTTP/1.1 exchange (RFC 9112) over a socket of its own: status and JSON object."""
    import json
    import socket

    host, port, base = _address()
    if not bearer.isascii() or not bearer.isprintable() or ' ' in bearer:
        raise ValueError('the token is malformed')
    fields = {'Host': f'{host}:{port}', 'Authorization': f'Bearer {bearer}', 'Connection': 'close', **(headers or {})}
    if method == 'POST':
        fields.update({'Content-Type': 'application/json', 'Content-Length': str(len(body))})
    head = ''.join(f'{name}: {value}\r\n' for name, value in fields.items())
    # As bytes: a text would load the codec for international names.
    with socket.create_connection((host.strip('[]').encode(), port), timeout) as connection:
        connection.sendall(f'{method} {base}{path} HTTP/1.1\r\n{head}\r\n'.encode() + body)
        with connection.makefile('rb') as stream:
            status, content = _read(stream)
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    return status, answer if isinstance(answer, dict) else {}


def _read(stream) -> tuple:
    line = stream.readline(65536).split(None, 2)
    if len(line) < 2 or not line[0].startswith(b'HTTP/1.') or not line[1].isdigit():
        raise ValueError('the answer is not HTTP')
    fields = {}
    while True:
        field = stream.readline(65536)
        if not field.endswith(b'\n'):
            raise ValueError('the answer was cut off')
        if not field.strip():
            break
        name, _, value = field.partition(b':')
        fields[name.strip().lower()] = value.strip()
    status = int(line[1])
    if 100 <= status < 200:
        return _read(stream)
    if fields.get(b'transfer-encoding', b'').lower() == b'chunked':
        return status, _read_chunks(stream)
    if b'content-length' in fields:
        return status, _read_exactly(stream, int(fields[b'content-length']))
    content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError('the answer is too large')
    return status, content


def _read_chunks(stream) -> bytearray:
    content = bytearray()
    while True:
        line = stream.readline(1024)
        if not line.endswith(b'\n'):
            raise ValueError('the answer was cut off')
        size = int(line.split(b';')[0], 16)
        if size == 0:
            return content
        content += _read_exactly(stream, size, len(content))
        stream.readline(16)


def _read_exactly(stream, size: int, before: int = 0) -> bytes:
    if size < 0 or before + size > _MOST_BYTES:
        raise ValueError('the answer is too large')
    content = stream.read(size)
    if len(content) < size:
        raise ValueError('the answer was cut off')
    return content
