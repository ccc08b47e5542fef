"""What Python programs use of a system, with output that is the same on every one."""
import asyncio, errno, hashlib, http.client, http.server, json, mmap, os, queue, selectors, signal, socket, sqlite3, ssl, subprocess, sys, tempfile, threading, time

print("ssl", ssl.OPENSSL_VERSION_INFO[0] >= 1, len(ssl.create_default_context().get_ciphers()) > 5)
print("hash", hashlib.sha256(b"skerry").hexdigest()[:16], json.dumps({"b": [1, 2.5, None], "a": "ö"}, sort_keys=True))

with tempfile.TemporaryDirectory(dir="TMPDIR") as d:
    db = sqlite3.connect(os.path.join(d, "x.db"))
    db.execute("pragma journal_mode=wal")
    db.execute("create table t(a integer primary key, b text)")
    db.executemany("insert into t(b) values(?)", [(str(i * i),) for i in range(1000)])
    db.commit()
    print("sqlite", db.execute("select count(*), sum(a), max(length(b)) from t").fetchone())
    db.close()
    with open(os.path.join(d, "m"), "w+b") as f:
        f.truncate(8192)
        with mmap.mmap(f.fileno(), 8192) as m:
            m[4096:4101] = b"hello"
            m.flush()
        f.seek(4096)
        print("mmap", f.read(5), os.stat(f.name).st_size)
print("gone", os.path.exists(d))

q, out = queue.Queue(), []
lock = threading.Lock()
def work():
    while (n := q.get()) is not None:
        with lock:
            out.append(n * n)
threads = [threading.Thread(target=work) for _ in range(20)]
for t in threads: t.start()
for i in range(2000): q.put(i)
for _ in threads: q.put(None)
for t in threads: t.join()
print("threads", len(out), sum(out))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
c = http.client.HTTPConnection(*server.server_address)
for i in range(5):
    c.request("POST", "/", body=b"abc" * 10000)
    r = c.getresponse()
    print("http", r.status, r.read() == (b"abc" * 10000)[::-1])
server.shutdown()

async def main():
    got = []
    async def client(port, i):
        r, w = await asyncio.open_connection("127.0.0.1", port)
        w.write(b"line %d\n" % i)
        got.append(await r.readline())
        w.close()
    async def handle(r, w):
        w.write((await r.readline()).upper())
        await w.drain()
        w.close()
    s = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = s.sockets[0].getsockname()[1]
    await asyncio.gather(*(client(port, i) for i in range(30)))
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, done.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(done.wait(), 5)
    print("asyncio", len(got), sorted(got)[0], await asyncio.to_thread(lambda: sum(range(1000))))
asyncio.run(main())

a, b = socket.socketpair()
sel = selectors.DefaultSelector()
sel.register(b, selectors.EVENT_READ)
a.send(b"x")
print("select", [k.fileobj is b for k, _ in sel.select(1)], type(sel).__name__)
print("alarm", end=" ")
signal.signal(signal.SIGALRM, lambda *a: print("came"))
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.2)
try:
    open("/nonexistent")
except OSError as e:
    print("open", errno.errorcode[e.errno])
sys.exit(7)
