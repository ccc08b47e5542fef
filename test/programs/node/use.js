'use strict';
// Uses what a server written for node uses, and prints what came of it.
const assert = require('assert'), fs = require('fs'), fsp = require('fs/promises'), os = require('os'), path = require('path');
const http = require('http'), https = require('https'), net = require('net'), dgram = require('dgram'), tls = require('tls'), dns = require('dns');
const zlib = require('zlib'), crypto = require('crypto'), stream = require('stream'), { pipeline } = require('stream/promises');
const { Worker, isMainThread, parentPort, workerData, threadId } = require('worker_threads');
const { execSync, spawn, fork } = require('child_process'), { once } = require('events'), { setTimeout: sleep } = require('timers/promises');
const { promisify } = require('util'), perf = require('perf_hooks');

if (!isMainThread) {
  if (workerData.sab) {
    const a = new Int32Array(workerData.sab);
    for (let i = 0; i < 1000; i++) Atomics.add(a, 0, 1);
    Atomics.add(a, 1, 1); Atomics.notify(a, 1);
    parentPort.postMessage('done');
  } else if (workerData.heap) {
    const keep = []; for (;;) keep.push(new Array(1e5).fill(keep.length));
  } else parentPort.once('message', m => { parentPort.postMessage({ sum: m.reduce((x, y) => x + y, 0) }); });
} else main().catch(e => { console.log('FAILED', e); process.exit(1); });

async function step(name, f) {
  try { const t = Date.now(), r = await f(); if (process.env.TIMES) console.log(Date.now() - t, 'ms'); console.log(name, r === undefined ? 'ok' : typeof r === 'string' ? r : JSON.stringify(r)); }
  catch (e) { console.log(name, 'FAILED', e.code || '', e.stack || e); process.exitCode = 1; }
}
const code = f => { try { f(); return 'no error'; } catch (e) { return e.code || String(e); } };
const acode = async f => { try { await f(); return 'no error'; } catch (e) { return e.code || String(e); } };

async function main() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'use-'));
  const p = n => path.join(dir, n);
  await step('fs sync', () => {
    fs.writeFileSync(p('a'), 'hello'); fs.appendFileSync(p('a'), ' world');
    fs.mkdirSync(p('d/e/f'), { recursive: true }); fs.symlinkSync('a', p('l')); fs.linkSync(p('a'), p('h'));
    fs.copyFileSync(p('a'), p('c')); fs.renameSync(p('c'), p('d/c')); fs.truncateSync(p('a'), 5);
    fs.utimesSync(p('a'), 1000, 2000); fs.chmodSync(p('a'), 0o640);
    const s = fs.statSync(p('a')), b = fs.statSync(p('a'), { bigint: true });
    return [fs.readFileSync(p('a'), 'utf8'), fs.readFileSync(p('d/c'), 'utf8'), fs.readlinkSync(p('l')), fs.realpathSync(p('l')) === p('a'), s.nlink, s.size, s.mtimeMs, String(b.mtimeNs), (s.mode & 0o777).toString(8),
      fs.readdirSync(dir).sort(), fs.readdirSync(dir, { withFileTypes: true }).filter(d => d.isDirectory()).map(d => d.name), fs.existsSync(p('nope'))];
  });
  await step('fs errors', async () => [code(() => fs.readFileSync(p('no'))), code(() => fs.mkdirSync(p('d'))), code(() => fs.rmdirSync(p('d'))), code(() => fs.readdirSync(p('a'))), code(() => fs.readFileSync(p('d'))),
    code(() => fs.openSync(p('a'), 'wx')), await acode(() => fsp.unlink(p('d'))), await acode(() => fsp.access(p('no')))]);
  await step('fs promises', async () => {
    const h = await fsp.open(p('p'), 'w+');
    await h.write(Buffer.from('0123456789')); await h.write('xx', 4); await h.sync(); await h.datasync();
    const { bytesRead, buffer } = await h.read(Buffer.alloc(20), 0, 20, 0);
    const v = await h.readv([Buffer.alloc(3), Buffer.alloc(3)], 2); await h.truncate(3); const st = await h.stat(); await h.close();
    const sf = await (fsp.statfs ? fsp.statfs(dir) : { bsize: 4096 });
    let n = 0; for await (const e of await fsp.opendir(dir)) n++;
    await fsp.cp ? await fsp.cp(p('d'), p('d2'), { recursive: true }) : 0; await fsp.rm(p('d2'), { recursive: true });
    return [bytesRead, buffer.toString('utf8', 0, bytesRead), v.bytesRead, v.buffers.map(String), st.size, n, sf.bsize];
  });
  await step('fs streams', async () => {
    const data = crypto.createHash('sha512').update('x').digest('hex').repeat(20000);
    await pipeline(stream.Readable.from([data]), zlib.createGzip({ level: 1 }), fs.createWriteStream(p('z.gz')));
    const h = crypto.createHash('sha256'); await pipeline(fs.createReadStream(p('z.gz')), zlib.createGunzip(), h);
    return h.digest('hex') === crypto.createHash('sha256').update(data).digest('hex');
  });
  await step('fs watch', async () => {
    const seen = new Set(), w = fs.watch(dir, (ev, name) => seen.add(ev + ' ' + name));
    await sleep(50); fs.writeFileSync(p('w1'), '1'); fs.appendFileSync(p('w1'), '2'); fs.renameSync(p('w1'), p('w2')); fs.unlinkSync(p('w2'));
    for (let i = 0; i < 100 && !seen.has('rename w2'); i++) await sleep(20);
    w.close(); return [...seen].sort();
  });
  await step('fs watchFile', async () => {
    fs.writeFileSync(p('wf'), '1');
    const got = new Promise(r => fs.watchFile(p('wf'), { interval: 50 }, (c, b) => r([c.size, b.size])));
    await sleep(100); fs.writeFileSync(p('wf'), '22'); const r = await got; fs.unwatchFile(p('wf')); return r;
  });
  await step('fs many', async () => {
    await Promise.all(Array.from({ length: 200 }, (_, i) => fsp.writeFile(p('m' + i), 'x'.repeat(i))));
    const l = await Promise.all(Array.from({ length: 200 }, (_, i) => fsp.readFile(p('m' + i)))); return l.reduce((a, b) => a + b.length, 0);
  });
  await step('zlib', async () => {
    const src = Buffer.from('skerry '.repeat(50000)), out = {};
    for (const [n, c, d] of [['gzip', 'gzip', 'gunzip'], ['deflate', 'deflate', 'inflate'], ['raw', 'deflateRaw', 'inflateRaw'], ['brotli', 'brotliCompress', 'brotliDecompress']]) {
      const z = await promisify(zlib[c])(src); out[n] = (await promisify(zlib[d])(z)).equals(src) && z.length < 1000;
    }
    out.bad = await acode(() => promisify(zlib.gunzip)(Buffer.from('nonsense'))); return out;
  });
  await step('crypto', async () => {
    const h = n => crypto.createHash(n).update('abc').digest('hex').slice(0, 16);
    const key = (await promisify(crypto.scrypt)('pw', 'salt', 32, { N: 4096 })).toString('hex');
    const pb = (await promisify(crypto.pbkdf2)('pw', 'salt', 1000, 32, 'sha256')).toString('hex');
    const k = Buffer.alloc(32, 1), iv = Buffer.alloc(12, 2), c = crypto.createCipheriv('aes-256-gcm', k, iv), e = Buffer.concat([c.update('text'), c.final()]);
    const d = crypto.createDecipheriv('aes-256-gcm', k, iv); d.setAuthTag(c.getAuthTag()); const t = d.update(e) + d.final();
    const { publicKey, privateKey } = await promisify(crypto.generateKeyPair)('ec', { namedCurve: 'P-256' });
    const sig = crypto.sign('sha256', Buffer.from('m'), privateKey);
    const r = [await promisify(crypto.randomBytes)(32), crypto.randomBytes(32)];
    const ed = crypto.generateKeyPairSync('ed25519'); const es = crypto.sign(null, Buffer.from('m'), ed.privateKey);
    return [h('md5'), h('sha1'), h('sha256'), h('sha3-256'), h('blake2b512'), key, pb, e.toString('hex'), t, crypto.verify('sha256', Buffer.from('m'), publicKey, sig), crypto.verify(null, Buffer.from('m'), ed.publicKey, es), !r[0].equals(r[1]),
      crypto.randomUUID().length, crypto.randomInt(5) < 5, (await crypto.webcrypto.subtle.digest('SHA-256', Buffer.from('abc'))).byteLength, crypto.createHmac('sha256', 'k').update('d').digest('hex').slice(0, 8)];
  });
  await step('http', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
    const s = http.createServer({ keepAliveTimeout: 120000 }, (q, r) => {
      if (q.method === 'POST') { const h = crypto.createHash('md5'); q.pipe(h).on('finish', () => r.end(h.digest('hex'))); }
      else if (q.url === '/chunks') { (async () => { for (let i = 0; i < 10; i++) { r.write('x'.repeat(10000)); await sleep(1); } r.end(); })(); }
      else r.end('you asked for ' + q.url);
    }); s.listen(0, '127.0.0.1'); await once(s, 'listening');
    const port = s.address().port;
    const ask = (o, body) => new Promise((res, rej) => { const q = http.request({ port, host: '127.0.0.1', agent, ...o }, r => { const b = []; r.on('data', d => b.push(d)).on('end', () => res(Buffer.concat(b).toString())); }); q.on('error', rej); q.end(body); });
    const l = await Promise.all(Array.from({ length: 150 }, (_, i) => ask({ path: '/' + i })));
    const post = await ask({ method: 'POST' }, Buffer.alloc(3e6, 'ab')), ch = (await ask({ path: '/chunks' })).length;
    agent.destroy(); s.close(); await once(s, 'close'); return [l.every((x, i) => x === 'you asked for /' + i), post, ch, await acode(() => ask({ agent: undefined }))];
  });
  await step('fetch', async () => {
    const s = http.createServer((q, r) => { r.setHeader('content-type', 'application/json'); r.end(JSON.stringify({ url: q.url, ua: q.headers.host.split(':')[0] })); });
    s.listen(0, 'localhost'); await once(s, 'listening'); const base = 'http://localhost:' + s.address().port;
    const l = await Promise.all(Array.from({ length: 20 }, (_, i) => fetch(base + '/' + i).then(r => r.json()))); 
    const e = await fetch('http://localhost:1/').catch(e => e.cause.code || e.cause.errors?.[0]?.code || String(e.cause));
    s.closeAllConnections?.(); s.close(); return [l.map(x => x.url).join(''), l[0].ua, e];
  });
  await step('tls', async () => {
    const s = https.createServer({ key: process.env.KEY, cert: process.env.CERT }, (q, r) => r.end(q.socket.getProtocol()));
    s.listen(0, '127.0.0.1'); await once(s, 'listening'); const port = s.address().port;
    const get = o => new Promise((res, rej) => https.get({ port, host: '127.0.0.1', servername: 'localhost', agent: false, ...o }, r => { let b = ''; r.on('data', d => b += d).on('end', () => res(b)); }).on('error', rej));
    const ca = process.env.CERT;
    const r = [await get({ ca }), await get({ ca, maxVersion: 'TLSv1.2' }), await acode(() => get({}))]; const l = await Promise.all(Array.from({ length: 10 }, () => get({ ca })));
    s.close(); return [...r, l.length, tls.rootCertificates.length > 100];
  });
  await step('net', async () => {
    const sock = p('u.sock'), s = net.createServer(c => c.pipe(c)); s.listen(sock); await once(s, 'listening');
    const c = net.connect(sock); c.write(Buffer.alloc(200000, 'q')); let n = 0; for await (const d of c) { n += d.length; if (n >= 200000) break; } s.close();
    const t = net.createServer({ allowHalfOpen: true }, c => { let n = 0; c.on('data', d => n += d.length).on('end', () => c.end(String(n))); }); t.listen(0); await once(t, 'listening');
    const k = net.connect(t.address().port, 'localhost'); k.setNoDelay(true); k.setKeepAlive(true, 1000); k.end(Buffer.alloc(1e6)); let b = ''; for await (const d of k) b += d; t.close();
    const u = dgram.createSocket('udp4'), v = dgram.createSocket('udp4'); u.bind(0, '127.0.0.1'); await once(u, 'listening'); v.send('ping', u.address().port, '127.0.0.1'); const [m] = await once(u, 'message'); u.close(); v.close();
    return [n, b, String(m), (await dns.promises.lookup('localhost', { all: true })).map(a => a.address).sort(), Object.keys(os.networkInterfaces()).includes('lo'), await acode(() => once(net.connect(1, '127.0.0.1'), 'connect'))];
  });
  await step('worker', async () => {
    const w = Array.from({ length: 4 }, () => new Worker(__filename, { workerData: {} })); const r = await Promise.all(w.map(async (x, i) => { const m = once(x, 'message'), e = once(x, 'exit'); x.postMessage([1, 2, 3, i]); const [v] = await m; await e; return v.sum; }));
    const sab = new SharedArrayBuffer(8); const ws = Array.from({ length: 3 }, () => new Worker(__filename, { workerData: { sab } })); await Promise.all(ws.map(x => once(x, 'exit')));
    const bad = new Worker('throw new TypeError("no")', { eval: true }); const [e] = await once(bad, 'error');
    const t = new Worker('for(;;);', { eval: true }); await once(t, 'online'); const ex = await t.terminate();
    return [r, [...new Int32Array(sab)], e.name + e.message, ex];
  });
  await step('worker heap', async () => { const w = new Worker(__filename, { workerData: { heap: 1 }, resourceLimits: { maxOldGenerationSizeMb: 24 } }); const [e] = await once(w, 'error'); return e.code; });
  await step('timers', async () => {
    const order = []; setTimeout(() => order.push('t10'), 10); setTimeout(() => order.push('t1'), 1); setImmediate(() => order.push('imm')); process.nextTick(() => order.push('tick')); Promise.resolve().then(() => order.push('micro'));
    await sleep(60); let n = 0; const t0 = performance.now(), i = setInterval(() => n++, 10); await sleep(205); clearInterval(i); const dt = performance.now() - t0;
    return [order.filter(x => x !== 'imm'), n >= 5 && n <= 20, dt > 200];
  });
  await step('wasm', async () => {
    const m = new WebAssembly.Module(Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]));
    const add = new WebAssembly.Instance(m).exports.add; let s = 0; for (let i = 0; i < 1e5; i++) s = add(s, i); const mem = new WebAssembly.Memory({ initial: 1, maximum: 100 }); mem.grow(50); return [s, mem.buffer.byteLength];
  });
  await step('jit', () => { let h = 0; const f = (a, b) => (a * 31 + b) | 0; for (let i = 0; i < 3e6; i++) h = f(h, i); const r = /^(a+)+b$/; return [h, r.test('aaaaaaaaaaaaaaaaab'), [3, 1, 2].sort().join('')]; });
  await step('intl', () => [new Intl.NumberFormat('de-DE').format(1234567.5), new Date(0).toLocaleString('en-GB', { timeZone: 'Europe/Berlin' }), 'ä'.localeCompare('z', 'de') < 0]);
  await step('process', () => {
    const m = process.memoryUsage(); process.on('SIGUSR2', () => { });
    return [m.rss > 1e7, m.heapUsed > 1e6, process.uptime() > 0, process.cpuUsage().user > 0, process.resourceUsage().maxRSS > 1000, os.cpus().length > 0, os.totalmem() > os.freemem(), os.loadavg().length, process.getuid() >= 0, code(() => process.kill(999999, 0)), process.title.length > 0,
      code(() => process.chdir('/nope')), os.hostname().length > 0, os.type(), process.stdin.constructor.name.length > 0, os.userInfo().username.length > 0];
  });
  await step('signals', async () => { const g = once(process, 'SIGUSR2'), hold = setTimeout(() => { }, 60000); process.kill(process.pid, 'SIGUSR2'); await g; clearTimeout(hold); });
  // Without an argument: Linux would start them.
  if (process.argv.includes('--child')) await step('child', () => {
    return [code(() => execSync('true')), code(() => spawn('/bin/true')), code(() => fork(__filename)), require('child_process').spawnSync('/bin/true').error.code];
  });
  await step('report', () => { const r = process.report.getReport(); return [r.header.event, Array.isArray(r.sharedObjects) && r.sharedObjects.length > 3, r.libuv.length > 0]; });
  await step('exit', async () => { fs.rmSync(dir, { recursive: true }); return code(() => fs.statSync(dir)); });
  process.on('exit', c => console.log('exit', c)); process.exitCode = process.exitCode || 7;
}
