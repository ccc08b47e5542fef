// A server on tokio's runtime with several threads and on hyper: HTTP/1.1 and HTTP/2
// without TLS on one port. test/tokio_test.go uses it on Linux and in machines.
//
// Arguments: address to listen at, folder with a file "served", folder to write to.

use hyper::body::{Bytes, HttpBody};
use hyper::server::conn::AddrStream;
use hyper::service::{make_service_fn, service_fn};
use hyper::{header, Body, Client, Method, Request, Response, Server, StatusCode};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::{mpsc, oneshot, Mutex, Notify, Semaphore};

const WORKERS: usize = 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Site {
    files: PathBuf,
    tmp: PathBuf,
    connections: AtomicU64,
    requests: AtomicU64,
    usr1: AtomicU64,
    one: Semaphore,
}

/// FNV-1a with 64 bits, as http://www.isthe.com/chongo/tech/comp/fnv has it.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf29ce484222325)
    }
    fn write(&mut self, b: &[u8]) {
        for &c in b {
            self.0 = (self.0 ^ u64::from(c)).wrapping_mul(0x100000001b3);
        }
    }
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    if args.len() != 4 {
        return Err("usage: tokio ADDRESS FILES TMP".into());
    }
    let address: SocketAddr = args[1].parse()?;
    let site = Arc::new(Site {
        files: args[2].clone().into(),
        tmp: args[3].clone().into(),
        connections: AtomicU64::new(0),
        requests: AtomicU64::new(0),
        usr1: AtomicU64::new(0),
        one: Semaphore::new(1),
    });
    let mut usr1 = signal(SignalKind::user_defined1())?;
    let counted = site.clone();
    tokio::spawn(async move {
        while usr1.recv().await.is_some() {
            counted.usr1.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut term = signal(SignalKind::terminate())?;
    let make = make_service_fn(move |_: &AddrStream| {
        let site = site.clone();
        site.connections.fetch_add(1, Ordering::SeqCst);
        async move {
            Ok::<_, Infallible>(service_fn(move |q| {
                let site = site.clone();
                site.requests.fetch_add(1, Ordering::SeqCst);
                async move { Ok::<_, Infallible>(answer(site, q).await) }
            }))
        }
    });
    let server = Server::try_bind(&address)?.tcp_nodelay(true).serve(make);
    println!("listening on {}", server.local_addr());
    server
        .with_graceful_shutdown(async move {
            term.recv().await;
        })
        .await?;
    println!("ended in order");
    Ok(())
}

/// What the query has, without escapes but %3A and %2F.
fn query(q: &Request<Body>) -> HashMap<String, String> {
    let pairs = q.uri().query().unwrap_or("").split('&');
    pairs.filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_string(), v.replace("%3A", ":").replace("%2F", "/"))).collect()
}

async fn answer(site: Arc<Site>, q: Request<Body>) -> Response<Body> {
    let args = query(&q);
    let number = |name: &str| args.get(name).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    let result = match (q.method(), q.uri().path()) {
        (&Method::GET, "/") => Ok(Response::new("hello from tokio\n".into())),
        (&Method::GET, "/bulk") => Ok(bulk(number("n") as usize)),
        (&Method::GET, "/sleep") => sleep(number("ms")).await,
        (&Method::GET, "/ticks") => Ok(ticks(number("n"), number("ms"))),
        (&Method::GET, "/timers") => timers(number("n")).await,
        (&Method::GET, "/work") => work(number("n")).await,
        (&Method::GET, "/together") => together(site).await,
        (&Method::GET, "/tasks") => tasks(number("n")).await,
        (&Method::GET, "/files") => files(site).await,
        (&Method::GET, "/sockets") => sockets(site).await,
        (&Method::GET, "/fetch") => fetch(args.get("u").cloned().unwrap_or_default()).await,
        (&Method::GET, "/signal") => raised(site).await,
        (&Method::GET, "/panic") => panics().await,
        (&Method::GET, "/count") => {
            let (c, r) = (site.connections.load(Ordering::SeqCst), site.requests.load(Ordering::SeqCst));
            Ok(Response::new(format!("{} {}", c, r).into()))
        }
        (&Method::POST, "/echo") => Ok(echo(q)),
        (&Method::POST, "/hash") => hash(q).await,
        _ => {
            let mut r = Response::new("there is no such thing\n".into());
            *r.status_mut() = StatusCode::NOT_FOUND;
            Ok(r)
        }
    };
    result.unwrap_or_else(|e: Failure| {
        let mut r = Response::new(format!("failed: {}\n", e).into());
        *r.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        r
    })
}

/// The alphabet, over and over, in pieces of 64 KiB that each begin it anew.
fn bulk(mut n: usize) -> Response<Body> {
    let block: Vec<u8> = (0..65536).map(|i| b'a' + (i % 26) as u8).collect();
    let block = Bytes::from(block);
    let (mut out, body) = Body::channel();
    tokio::spawn(async move {
        while n > 0 {
            let piece = block.slice(..n.min(block.len()));
            n -= piece.len();
            if out.send_data(piece).await.is_err() {
                return;
            }
        }
    });
    Response::new(body)
}

/// Gives a body back while it still comes in, and its length and hash as trailers.
fn echo(q: Request<Body>) -> Response<Body> {
    let mut incoming = q.into_body();
    let (mut out, body) = Body::channel();
    tokio::spawn(async move {
        let (mut fnv, mut length) = (Fnv::new(), 0);
        while let Some(Ok(b)) = incoming.data().await {
            fnv.write(&b);
            length += b.len();
            if out.send_data(b).await.is_err() {
                return;
            }
        }
        let mut trailers = hyper::HeaderMap::new();
        trailers.insert("x-length", length.into());
        trailers.insert("x-fnv", format!("{:016x}", fnv.0).parse().unwrap());
        let _ = out.send_trailers(trailers).await;
    });
    Response::builder().header(header::TRAILER, "x-length, x-fnv").body(body).unwrap()
}

/// Takes a body whole and answers its length and hash.
async fn hash(q: Request<Body>) -> Result<Response<Body>, Failure> {
    let kind = q.headers().get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap_or("?").to_string()).unwrap_or_default();
    let b = hyper::body::to_bytes(q.into_body()).await?;
    let mut fnv = Fnv::new();
    fnv.write(&b);
    Ok(Response::new(format!("{} {} {:016x}\n", kind, b.len(), fnv.0).into()))
}

async fn sleep(ms: u64) -> Result<Response<Body>, Failure> {
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_millis(ms)).await;
    let early = begin.elapsed() < Duration::from_millis(ms);
    Ok(Response::new(format!("slept {} early {}\n", ms, early).into()))
}

/// A line for each tick of an interval, sent when it comes.
fn ticks(n: u64, ms: u64) -> Response<Body> {
    let (mut out, body) = Body::channel();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(ms.max(1)));
        for i in 0..n {
            every.tick().await;
            if out.send_data(format!("tick {}\n", i).into()).await.is_err() {
                return;
            }
        }
    });
    Response::new(body)
}

/// Many timers at once, the later ones set first, and timeouts that expire.
async fn timers(n: u64) -> Result<Response<Body>, Failure> {
    let begin = Instant::now();
    let mut l = Vec::new();
    for i in (0..n).rev() {
        l.push(tokio::spawn(async move {
            tokio::time::sleep_until((begin + Duration::from_millis(i)).into()).await;
            begin.elapsed() < Duration::from_millis(i)
        }));
    }
    let mut early = 0;
    for t in l {
        early += t.await? as u32;
    }
    let never = Notify::new();
    let timeout = tokio::time::timeout(Duration::from_millis(20), never.notified()).await;
    let kept = tokio::time::timeout(Duration::from_secs(60), async { 42 }).await?;
    Ok(Response::new(format!("{} timers, {} early, timeout {:?}, kept {}\n", n, early, timeout.map_err(|e| e.to_string()), kept).into()))
}

fn fibonacci(n: u64) -> u64 {
    (0..n).fold((0u64, 1u64), |(a, b), _| (b, a.wrapping_add(b))).0
}

/// Work on threads that may block.
async fn work(n: u64) -> Result<Response<Body>, Failure> {
    let l: Vec<_> = (0..8)
        .map(|i| {
            tokio::task::spawn_blocking(move || {
                std::thread::sleep(Duration::from_millis(5));
                fibonacci(n + i)
            })
        })
        .collect();
    let mut s = String::new();
    for t in l {
        let f = t.await?;
        s += &format!("{} ", f);
    }
    let here = tokio::task::block_in_place(|| fibonacci(n));
    Ok(Response::new(format!("{}{}\n", s, here).into()))
}

/// Shows that workers run at the same time: three tasks hold a thread each until all
/// three are there. One worker is left for the connections.
async fn together(site: Arc<Site>) -> Result<Response<Body>, Failure> {
    // One request at a time, or they would wait for each other's workers.
    let _one = site.one.acquire().await?;
    let all = Arc::new(Barrier::new(WORKERS - 1));
    let l: Vec<_> = (0..WORKERS - 1)
        .map(|_| {
            let all = all.clone();
            tokio::spawn(async move {
                let leads = all.wait().is_leader();
                (leads, std::thread::current().id())
            })
        })
        .collect();
    let (mut leaders, mut threads) = (0, std::collections::HashSet::new());
    for t in l {
        let (leads, id) = t.await?;
        leaders += leads as u32;
        threads.insert(format!("{:?}", id));
    }
    Ok(Response::new(format!("{} threads, {} leader\n", threads.len(), leaders).into()))
}

/// Many tasks, channels and a lock that is awaited.
async fn tasks(n: u64) -> Result<Response<Body>, Failure> {
    let (tx, mut rx) = mpsc::channel(16);
    let sum = Arc::new(Mutex::new(0u64));
    for i in 0..n {
        let (tx, sum) = (tx.clone(), sum.clone());
        tokio::spawn(async move {
            let (one, other) = oneshot::channel();
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                let _ = one.send(i * i);
            });
            let square = other.await.unwrap();
            *sum.lock().await += square;
            let _ = tx.send(square).await;
        });
    }
    drop(tx);
    let (mut received, mut total) = (0, 0);
    while let Some(v) = rx.recv().await {
        received += 1;
        total += v;
    }
    let locked = *sum.lock().await;
    Ok(Response::new(format!("{} tasks, {} and {}\n", received, total, locked).into()))
}

async fn files(site: Arc<Site>) -> Result<Response<Body>, Failure> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let served = tokio::fs::read(site.files.join("served")).await?;
    let dir = site.tmp.join(format!("tokio-{}", COUNT.fetch_add(1, Ordering::SeqCst)));
    tokio::fs::create_dir(&dir).await?;
    let name = dir.join("file");
    let mut f = tokio::fs::OpenOptions::new().create_new(true).read(true).write(true).open(&name).await?;
    for i in 0..1000 {
        f.write_all(format!("line {}\n", i).as_bytes()).await?;
    }
    f.sync_all().await?;
    f.seek(std::io::SeekFrom::Start(1000)).await?;
    let mut rest = String::new();
    f.read_to_string(&mut rest).await?;
    let length = f.metadata().await?.len();
    tokio::fs::rename(&name, dir.join("renamed")).await?;
    let copied = tokio::fs::copy(dir.join("renamed"), dir.join("copy")).await?;
    let mut names = Vec::new();
    let mut entries = tokio::fs::read_dir(&dir).await?;
    while let Some(e) = entries.next_entry().await? {
        names.push(e.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let missing = tokio::fs::read(&name).await.map_err(|e| e.kind());
    tokio::fs::remove_dir_all(&dir).await?;
    let gone = tokio::fs::metadata(&dir).await.map(|_| ()).map_err(|e| e.kind());
    let mut fnv = Fnv::new();
    fnv.write(rest.as_bytes());
    Ok(Response::new(
        format!("{} bytes served, {} written, {} copied, {:016x}, {:?}, {:?}, {:?}\n", served.len(), length, copied, fnv.0, names, missing, gone).into(),
    ))
}

/// TCP, UDP and UNIX sockets inside the program.
async fn sockets(site: Arc<Site>) -> Result<Response<Body>, Failure> {
    let l = TcpListener::bind("127.0.0.1:0").await?;
    let address = l.local_addr()?;
    let server = tokio::spawn(async move {
        let mut total = 0;
        for _ in 0..20 {
            let (mut c, _) = l.accept().await?;
            let (mut r, mut w) = c.split();
            total += tokio::io::copy(&mut r, &mut w).await?;
        }
        Ok::<u64, std::io::Error>(total)
    });
    for i in 0..20usize {
        let c = TcpStream::connect(address).await?;
        let sent: Vec<u8> = (0..i * 10_000).map(|n| (n % 251) as u8).collect();
        let (mut r, mut w) = c.into_split();
        let copy = sent.clone();
        let writer = tokio::spawn(async move {
            w.write_all(&copy).await?;
            w.shutdown().await
        });
        let mut got = Vec::new();
        r.read_to_end(&mut got).await?;
        writer.await??;
        if got != sent {
            return Err(format!("connection {}: {} bytes came back of {}", i, got.len(), sent.len()).into());
        }
    }
    let tcp = server.await??;
    let refused = {
        let free = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        TcpStream::connect(free).await.map(|_| ()).map_err(|e| e.kind())
    };
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    a.connect(b.local_addr()?).await?;
    let mut udp = 0;
    for i in 0..100u32 {
        a.send(&i.to_le_bytes()).await?;
        let mut buf = [0; 16];
        let (n, from) = b.recv_from(&mut buf).await?;
        udp += (n == 4 && from == a.local_addr()? && buf[..4] == i.to_le_bytes()) as u32;
    }
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let path = site.tmp.join(format!("socket-{}", COUNT.fetch_add(1, Ordering::SeqCst)));
    let l = UnixListener::bind(&path)?;
    let accepting = tokio::spawn(async move { l.accept().await });
    let mut client = UnixStream::connect(&path).await?;
    let (mut accepted, _) = accepting.await??;
    client.write_all(b"through a path").await?;
    drop(client);
    let mut text = String::new();
    accepted.read_to_string(&mut text).await?;
    tokio::fs::remove_file(&path).await?;
    let (mut x, mut y) = UnixStream::pair()?;
    let sender = tokio::spawn(async move { x.write_all(&[7; 1 << 20]).await });
    let mut got = Vec::new();
    y.read_to_end(&mut got).await?;
    sender.await??;
    let pair = got.iter().filter(|&&c| c == 7).count();
    Ok(Response::new(format!("tcp {}, refused {:?}, udp {}, unix {:?} {}\n", tcp, refused, udp, text, pair).into()))
}

/// Asks another server as a client.
async fn fetch(address: String) -> Result<Response<Body>, Failure> {
    let r = tokio::time::timeout(Duration::from_secs(30), Client::new().get(address.parse()?)).await??;
    let status = r.status();
    let b = hyper::body::to_bytes(r.into_body()).await?;
    let mut fnv = Fnv::new();
    fnv.write(&b);
    Ok(Response::new(format!("{} {} {:016x}\n", status, b.len(), fnv.0).into()))
}

extern "C" {
    fn raise(signal: i32) -> i32;
}

/// Raises SIGUSR1, which the runtime's driver hands to a task.
async fn raised(site: Arc<Site>) -> Result<Response<Body>, Failure> {
    let before = site.usr1.load(Ordering::SeqCst);
    // SAFETY: raise(3) takes a number; a handler is installed.
    if unsafe { raise(SignalKind::user_defined1().as_raw_value()) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    for _ in 0..1000 {
        if site.usr1.load(Ordering::SeqCst) > before {
            return Ok(Response::new("SIGUSR1 came\n".into()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("SIGUSR1 did not come".into())
}

/// A task that panics ends alone.
async fn panics() -> Result<Response<Body>, Failure> {
    let e = tokio::spawn(async {
        if WORKERS > 0 {
            panic!("on purpose");
        }
    })
    .await;
    let slow = tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
    slow.abort();
    let aborted = slow.await.map_err(|e| e.is_cancelled());
    Ok(Response::new(format!("panic {:?}, aborted {:?}\n", e.map_err(|e| e.is_panic()), aborted).into()))
}
