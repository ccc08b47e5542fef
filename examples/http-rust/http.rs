//! A small HTTP/1.1 server of Rust's standard library: a thread for each
//! connection, keep-alive, no crates.
//!
//! Build it with
//!
//!     rustc -O -C target-feature=+crt-static --target x86_64-unknown-linux-gnu http.rs
//!
//! (or `--target x86_64-unknown-linux-musl`, where that is installed); Rust 1.63 of
//! Debian 12 suffices. It listens
//! on port 8080, or on the port that PORT names.
//!
//! * `/` a short text with the number of requests
//! * `/bulk?n=N` N bytes (at most 1 GiB)

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const MAX_BULK: u64 = 1 << 30;
const MAX_HEAD: u64 = 8192;

struct Server {
    started: Instant,
    requests: AtomicU64,
    block: Vec<u8>,
}

fn answer(out: &mut impl Write, status: &str, body: &[u8]) -> io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        status,
        body.len()
    )?;
    out.write_all(body)
}

impl Server {
    fn bulk(&self, out: &mut impl Write, n: &str) -> io::Result<()> {
        let mut left = match n.parse::<u64>() {
            Ok(n) if n <= MAX_BULK => n,
            _ => return answer(out, "400 Bad Request", b""),
        };
        write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", left)?;
        while left > 0 {
            let n = left.min(self.block.len() as u64);
            out.write_all(&self.block[..n as usize])?;
            left -= n;
        }
        Ok(())
    }

    /// Answers requests until the client closes or asks for the end.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = BufReader::new(stream.try_clone()?);
        let mut out = BufWriter::new(stream);
        loop {
            let (mut first, mut close) = (String::new(), false);
            let mut head = input.by_ref().take(MAX_HEAD);
            if head.read_line(&mut first)? == 0 {
                return Ok(());
            }
            loop {
                let mut line = String::new();
                if head.read_line(&mut line)? == 0 {
                    return answer(&mut out, "431 Request Header Fields Too Large", b"")
                        .and_then(|_| out.flush());
                }
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                close |= line.starts_with("connection:") && line.ends_with("close");
            }
            let count = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
            let mut words = first.split_whitespace();
            match (words.next(), words.next()) {
                (Some("GET"), Some("/")) => {
                    let text = format!(
                        "Hello from a Rust server.\nUp {:.3} s, request {}.\n",
                        self.started.elapsed().as_secs_f64(),
                        count
                    );
                    answer(&mut out, "200 OK", text.as_bytes())?
                }
                (Some("GET"), Some(path)) => match path.strip_prefix("/bulk?n=") {
                    Some(n) => self.bulk(&mut out, n)?,
                    None => answer(&mut out, "404 Not Found", b"")?,
                },
                _ => {
                    answer(&mut out, "405 Method Not Allowed", b"")?;
                    close = true;
                }
            }
            out.flush()?;
            if close {
                return Ok(());
            }
        }
    }
}

fn main() -> io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_string());
    let number: u16 = port
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "PORT is not a port"))?;
    let listener = TcpListener::bind(("::", number)).or_else(|_| TcpListener::bind(("0.0.0.0", number)))?;
    println!("listening on :{}", number);
    io::stdout().flush()?;
    let server = Arc::new(Server {
        started: Instant::now(),
        requests: AtomicU64::new(0),
        block: (0..65536).map(|i| b'a' + (i % 26) as u8).collect(),
    });
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(_) => {
                // Out of descriptors or memory: others may finish in the meantime.
                thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        let server = Arc::clone(&server);
        let spawned = thread::Builder::new().spawn(move || {
            let _ = server.serve(stream); // an error ends this connection only
        });
        drop(spawned);
    }
    Ok(())
}
