'use strict';
// A server as the example servers are: / answers "hello", /bulk?n=N so many bytes,
// /fetch?u=URL what another server answers, /work has a worker thread compute.
const http = require('http'), { Worker } = require('worker_threads'), { Readable } = require('stream');
const block = Buffer.alloc(65536, Buffer.from('abcdefghijklmnopqrstuvwxyz'));

const server = http.createServer({ keepAliveTimeout: 120000 }, async (q, r) => {
  const u = new URL(q.url, 'http://localhost');
  try {
    switch (u.pathname) {
      case '/': r.setHeader('Content-Length', 5); r.end('hello'); break;
      case '/bulk': {
        const n = +u.searchParams.get('n');
        r.setHeader('Content-Length', n);
        Readable.from(function* () { for (let left = n; left > 0; left -= block.length) yield left < block.length ? block.subarray(0, left) : block; }()).pipe(r);
        break;
      }
      case '/fetch': r.end(await (await fetch(u.searchParams.get('u'))).text()); break;
      case '/work': {
        const w = new Worker('const { parentPort } = require("worker_threads"); let a = 0, b = 1; for (let i = 0; i < 50; i++) [a, b] = [b, a + b]; parentPort.postMessage(a);', { eval: true });
        w.once('message', m => r.end(String(m)));
        break;
      }
      default: r.statusCode = 404; r.end();
    }
  } catch (e) { r.statusCode = 500; r.end(String(e.cause || e)); }
});
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeAllConnections(); });
server.listen(process.env.PORT || 8080, '0.0.0.0', () => console.log('listening on', server.address().port));
