// Runs inside a sandbox without network, before the script: hands what the script sends to MCP_URL on to the dispatcher's
// socket, the one thing outside that it reaches. Arguments: socket, port, program, its arguments.
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';

const [socket, port, program, ...rest] = process.argv.slice(2);

const forward = createServer((inside) => {
  const outside = connect(socket);
  const end = () => {
    inside.destroy();
    outside.destroy();
  };
  inside.on('error', end).pipe(outside);
  outside.on('error', end).pipe(inside);
});

forward.listen(Number(port), '127.0.0.1', () => {
  const script = spawn(program, rest, { stdio: 'inherit' });
  script.on('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(127);
  });
  script.on('exit', (code, signal) => {
    if (signal !== null) process.stderr.write(`ended by ${signal}\n`);
    process.exit(code ?? 1);
  });
});
