import com.sun.net.httpserver.*;
import java.io.*;
import java.lang.management.*;
import java.net.*;
import java.net.http.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

/** Uses what a server written in Java uses, and prints what came of it. */
public class Use {
    interface Step { Object run() throws Throwable; }
    static boolean failed, times = System.getenv("TIMES") != null;

    /** Runs a step and prints what it answers; with -Donly=TEXT only steps whose names hold that. */
    static void step(String name, Step s) {
        if (!name.contains(System.getProperty("only", ""))) return;
        long t = System.nanoTime();
        try {
            Object r = s.run();
            System.out.println(name + " " + (r == null ? "ok" : r));
        } catch (Throwable e) {
            failed = true;
            System.out.println(name + " FAILED");
            e.printStackTrace(System.out);
        }
        if (times) System.out.println((System.nanoTime() - t) / 1000000 + " ms");
        System.out.flush();
    }

    static String error(Step s) {
        try { s.run(); return "no error"; } catch (Throwable e) { return e.getClass().getSimpleName(); }
    }

    static class Node { int value; Node next; int[] pad; }

    // The JIT compiler leaves out null checks here and relies on the fault.
    static int chase(Node n) { return n.value + n.next.value; }
    static int length(int[] a) { return a.length; }

    static final int size = Integer.getInteger("size", 1);

    public static void main(String[] args) throws Throwable {
        Path dir = Files.createTempDirectory("use");
        step("null checks", () -> {
            Node a = new Node(); a.next = new Node(); a.value = 1; a.next.value = 2;
            long sum = 0;
            for (int i = 0; i < 200000; i++) sum += chase(a) + length(new int[i & 7]);
            int[] caught = new int[8];
            Thread[] ts = new Thread[8];
            for (int t = 0; t < ts.length; t++) {
                int id = t;
                ts[t] = new Thread(() -> {
                    Node b = new Node();
                    for (int i = 0; i < 300; i++) {
                        try { chase(i % 2 == 0 ? null : b); } catch (NullPointerException e) { caught[id]++; }
                        try { length(null); } catch (NullPointerException e) { caught[id]++; }
                    }
                });
            }
            for (Thread t : ts) t.start();
            for (Thread t : ts) t.join();
            return sum + " " + Arrays.toString(caught);
        });
        step("stack overflow", () -> {
            AtomicInteger n = new AtomicInteger();
            Thread[] ts = new Thread[4];
            for (int t = 0; t < ts.length; t++) { ts[t] = new Thread(null, () -> { for (int i = 0; i < 3; i++) if (error(() -> deep(0)).equals("StackOverflowError")) n.incrementAndGet(); }, "deep", 512 << 10); ts[t].start(); }
            for (Thread t : ts) t.join();
            return n + " " + error(() -> deep(0));
        });
        step("other faults", () -> error(() -> 1 / (args.length - args.length)) + " " + error(() -> new int[2][args.length + 5][1][0]) + " " + error(() -> (String) (Object) Integer.valueOf(1)) + " " + error(() -> new int[-1 - args.length]));
        step("safepoints", () -> {
            // Loops in compiled code that stop only at safepoint polls, while others collect garbage.
            AtomicBoolean stop = new AtomicBoolean();
            long[] sums = new long[6];
            Thread[] ts = new Thread[6];
            for (int t = 0; t < ts.length; t++) { int id = t; ts[t] = new Thread(() -> { long s = 0; while (!stop.get()) { for (int i = 0; i < 10000; i++) s += i ^ id; } sums[id] = s; }); ts[t].start(); }
            for (int i = 0; i < 10; i++) { System.gc(); Thread.getAllStackTraces(); Thread.sleep(5); }
            stop.set(true);
            for (Thread t : ts) t.join();
            return Arrays.stream(sums).allMatch(s -> s != 0);
        });
        step("garbage", () -> {
            List<byte[]> keep = new ArrayList<>();
            long n = 0; Random r = new Random(1);
            for (int i = 0; i < 20000 * size; i++) { byte[] b = new byte[1000 + r.nextInt(4000)]; b[0] = (byte) i; if (i % 40 == 0) { keep.add(b); if (keep.size() > 500) keep.remove(r.nextInt(500)); } n += b.length; }
            long c = 0; for (GarbageCollectorMXBean g : ManagementFactory.getGarbageCollectorMXBeans()) c += g.getCollectionCount();
            return n + " " + (c > 0) + " " + keep.size();
        });
        // A heap larger than memory would take all of that.
        if (Runtime.getRuntime().maxMemory() < 1L << 30) step("heap full", () -> error(() -> { List<long[]> l = new ArrayList<>(); for (;;) l.add(new long[1 << 17]); }));
        step("500 threads", () -> {
            CountDownLatch up = new CountDownLatch(500), go = new CountDownLatch(1); AtomicLong sum = new AtomicLong();
            Object lock = new Object(); int[] inside = new int[1];
            Thread[] ts = new Thread[500];
            for (int i = 0; i < ts.length; i++) { int id = i; ts[i] = new Thread(() -> { up.countDown(); try { go.await(); } catch (InterruptedException e) { return; } for (int k = 0; k < 20; k++) { sum.addAndGet(id); synchronized (lock) { inside[0]++; } Thread.yield(); } }); ts[i].start(); }
            up.await(); go.countDown();
            for (Thread t : ts) t.join();
            return sum + " " + inside[0];
        });
        step("executors", () -> {
            ExecutorService e = Executors.newFixedThreadPool(8);
            List<Future<Integer>> f = IntStream.range(0, 500).mapToObj(i -> e.submit(() -> { LockSupportPark(i); return i * 2; })).collect(Collectors.toList());
            int s = 0; for (Future<Integer> x : f) s += x.get();
            e.shutdown();
            ScheduledExecutorService sc = Executors.newScheduledThreadPool(1); AtomicInteger ticks = new AtomicInteger(); CountDownLatch five = new CountDownLatch(5);
            sc.scheduleAtFixedRate(() -> { ticks.incrementAndGet(); five.countDown(); }, 1, 5, TimeUnit.MILLISECONDS); boolean ok = five.await(20, TimeUnit.SECONDS); sc.shutdownNow();
            return s + " " + e.awaitTermination(5, TimeUnit.SECONDS) + " " + ok + " " + IntStream.range(0, 100000).parallel().sum();
        });
        step("timed waits", () -> {
            Object o = new Object(); long t = System.nanoTime();
            synchronized (o) { o.wait(30); }
            boolean late = System.nanoTime() - t >= 29_000_000L;
            Thread s = new Thread(() -> { try { Thread.sleep(100000); } catch (InterruptedException e) { } }); s.start(); s.interrupt(); s.join();
            return late + " " + new ArrayBlockingQueue<Integer>(1).poll(10, TimeUnit.MILLISECONDS);
        });
        step("files", () -> {
            Path f = dir.resolve("f"); Files.write(f, "one\ntwo\n".getBytes()); Files.write(f, List.of("three"), StandardOpenOption.APPEND);
            Files.copy(f, dir.resolve("g")); Files.move(dir.resolve("g"), dir.resolve("h"), StandardCopyOption.ATOMIC_MOVE); Files.createSymbolicLink(dir.resolve("s"), Path.of("f")); Files.createLink(dir.resolve("l"), f);
            Files.setLastModifiedTime(f, java.nio.file.attribute.FileTime.fromMillis(1000));
            String names; try (Stream<Path> l = Files.walk(dir)) { names = l.map(p -> p.getFileName().toString()).filter(n -> !n.startsWith("use")).sorted().collect(Collectors.joining(",")); }
            RandomAccessFile r = new RandomAccessFile(f.toFile(), "rw"); r.seek(100); r.write(7); r.setLength(50); long len = r.length(); r.close(); Files.setLastModifiedTime(f, java.nio.file.attribute.FileTime.fromMillis(1000));
            return Files.readAllLines(dir.resolve("h")) + " " + names + " " + len + " " + Files.getLastModifiedTime(dir.resolve("l")).toMillis() + " " + Files.getAttribute(f, "unix:nlink") + " " + Files.readSymbolicLink(dir.resolve("s"))
                + " " + error(() -> Files.readAllBytes(dir.resolve("no"))) + " " + error(() -> Files.createDirectory(f)) + " " + error(() -> { Files.delete(dir); return 0; }) + " " + (Files.getFileStore(dir).getUsableSpace() > 0) + " " + new File("/proc/self/exe").getCanonicalPath().endsWith("java");
        });
        step("mapped files", () -> {
            Path f = dir.resolve("map");
            try (FileChannel c = FileChannel.open(f, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
                MappedByteBuffer m = c.map(FileChannel.MapMode.READ_WRITE, 0, 3 << 20), p = c.map(FileChannel.MapMode.PRIVATE, 4096, 4096);
                for (int i = 0; i < 3 << 20; i += 8) m.putLong(i, i); m.force(); m.load(); p.putLong(0, -1);
                ByteBuffer b = ByteBuffer.allocate(16); c.read(b, 4096); b.flip(); long x = b.getLong(); c.write(ByteBuffer.wrap(new byte[] { 1, 2, 3 }), 8192);
                FileLock l = c.lock(); boolean sh = l.isShared(); l.release(); boolean tl = c.tryLock(0, 10, true) != null;
                try (FileChannel o = FileChannel.open(dir.resolve("copy"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) { long n = c.transferTo(0, c.size(), o); return x + " " + m.getInt(8192) + " " + p.getLong(0) + " " + sh + tl + " " + n + " " + m.isLoaded(); }
            }
        });
        step("watch", () -> {
            WatchService w = FileSystems.getDefault().newWatchService(); dir.register(w, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_DELETE);
            Files.write(dir.resolve("w"), new byte[1]); Files.delete(dir.resolve("w")); Set<String> seen = new TreeSet<>();
            while (seen.size() < 2) { WatchKey k = w.poll(10, TimeUnit.SECONDS); if (k == null) break; for (WatchEvent<?> e : k.pollEvents()) seen.add(e.kind() + " " + e.context()); k.reset(); }
            w.close(); return seen;
        });
        step("selector", () -> {
            Selector sel = Selector.open(); ServerSocketChannel ss = ServerSocketChannel.open(); ss.bind(new InetSocketAddress("127.0.0.1", 0)); ss.configureBlocking(false); ss.register(sel, SelectionKey.OP_ACCEPT);
            int port = ((InetSocketAddress) ss.getLocalAddress()).getPort(); AtomicInteger echoed = new AtomicInteger(); AtomicBoolean done = new AtomicBoolean();
            Thread server = new Thread(() -> { try { ByteBuffer b = ByteBuffer.allocateDirect(4096); while (!done.get()) { sel.select(1000); for (Iterator<SelectionKey> i = sel.selectedKeys().iterator(); i.hasNext();) { SelectionKey k = i.next(); i.remove();
                if (k.isAcceptable()) { SocketChannel c = ss.accept(); if (c == null) continue; c.configureBlocking(false); c.socket().setTcpNoDelay(true); c.register(sel, SelectionKey.OP_READ); }
                else { SocketChannel c = (SocketChannel) k.channel(); b.clear(); if (c.read(b) < 0) { c.close(); continue; } b.flip(); echoed.addAndGet(b.remaining()); while (b.hasRemaining()) c.write(b); } } } } catch (IOException e) { e.printStackTrace(); } });
            server.start();
            List<Socket> l = new ArrayList<>(); int got = 0;
            for (int i = 0; i < 100; i++) { Socket s = new Socket("127.0.0.1", port); s.setSoTimeout(20000); l.add(s); s.getOutputStream().write(("hello" + i).getBytes()); }
            for (Socket s : l) { byte[] b = new byte[20]; int n = s.getInputStream().read(b); if (new String(b, 0, n).startsWith("hello")) got++; s.close(); }
            done.set(true); sel.wakeup(); server.join(); sel.close(); ss.close();
            Pipe p = Pipe.open(); p.sink().write(ByteBuffer.wrap(new byte[5])); 
            ServerSocket to = new ServerSocket(0); to.setSoTimeout(20);
            return got + " " + echoed + " " + p.source().read(ByteBuffer.allocate(10)) + " " + error(() -> to.accept()) + " " + error(() -> new Socket("127.0.0.1", 1));
        });
        step("datagrams and unix", () -> {
            DatagramChannel a = DatagramChannel.open().bind(new InetSocketAddress("127.0.0.1", 0)), b = DatagramChannel.open(); b.send(ByteBuffer.wrap("dg".getBytes()), a.getLocalAddress()); ByteBuffer r = ByteBuffer.allocate(10); a.receive(r);
            UnixDomainSocketAddress u = UnixDomainSocketAddress.of(dir.resolve("sock")); ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(u); SocketChannel c = SocketChannel.open(u), d = s.accept(); c.write(ByteBuffer.wrap("un".getBytes())); ByteBuffer q = ByteBuffer.allocate(10); d.read(q);
            return r.position() + " " + q.position() + " " + NetworkInterface.getByName("lo").isLoopback() + " " + InetAddress.getByName("localhost").isLoopbackAddress() + " " + error(() -> InetAddress.getByName("no.such.name.invalid"));
        });
        step("http", () -> {
            HttpServer h = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0); ExecutorService pool = Executors.newFixedThreadPool(4); h.setExecutor(pool);
            h.createContext("/", x -> { byte[] in = x.getRequestBody().readAllBytes(); byte[] out = (x.getRequestMethod() + x.getRequestURI() + in.length).getBytes(); x.sendResponseHeaders(200, out.length); x.getResponseBody().write(out); x.close(); });
            h.start(); String base = "http://127.0.0.1:" + h.getAddress().getPort();
            HttpClient c = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build(); List<CompletableFuture<String>> l = new ArrayList<>();
            for (int i = 0; i < 50; i++) l.add(c.sendAsync(HttpRequest.newBuilder(URI.create(base + "/" + i)).build(), HttpResponse.BodyHandlers.ofString()).thenApply(HttpResponse::body));
            int ok = 0; for (int i = 0; i < 50; i++) if (l.get(i).get(60, TimeUnit.SECONDS).equals("GET/" + i + "0")) ok++;
            String post = c.send(HttpRequest.newBuilder(URI.create(base + "/p")).POST(HttpRequest.BodyPublishers.ofByteArray(new byte[1000000])).build(), HttpResponse.BodyHandlers.ofString()).body();
            h.stop(0); pool.shutdown(); return ok + " " + post;
        });
        step("crypto", () -> {
            javax.crypto.Cipher ci = javax.crypto.Cipher.getInstance("AES/GCM/NoPadding"); ci.init(1, new javax.crypto.spec.SecretKeySpec(new byte[16], "AES"), new javax.crypto.spec.GCMParameterSpec(128, new byte[12]));
            byte[] e = ci.doFinal("text".getBytes()); byte[] rnd = new byte[16]; java.security.SecureRandom.getInstanceStrong().nextBytes(rnd);
            javax.net.ssl.SSLContext.getDefault(); javax.net.ssl.TrustManagerFactory tm = javax.net.ssl.TrustManagerFactory.getInstance("PKIX"); tm.init((java.security.KeyStore) null);
            int n = ((javax.net.ssl.X509TrustManager) tm.getTrustManagers()[0]).getAcceptedIssuers().length;
            return e.length + " " + HexFormat.of().formatHex(java.security.MessageDigest.getInstance("SHA-256").digest("abc".getBytes())).substring(0, 16) + " " + (n > 50) + " " + UUID.randomUUID().toString().length();
        });
        step("zip, time, text", () -> {
            ByteArrayOutputStream o = new ByteArrayOutputStream(); try (java.util.zip.GZIPOutputStream z = new java.util.zip.GZIPOutputStream(o)) { z.write(new byte[100000]); }
            int n = new java.util.zip.GZIPInputStream(new ByteArrayInputStream(o.toByteArray())).readAllBytes().length;
            return n + " " + java.time.ZonedDateTime.ofInstant(java.time.Instant.EPOCH, java.time.ZoneId.of("Europe/Berlin")) + " " + String.format(Locale.GERMANY, "%,.2f", 1234.5) + " " + "straße".toUpperCase().length() + " " + System.getProperty("file.encoding") + " " + java.nio.charset.Charset.forName("windows-1252").name();
        });
        step("memory", () -> {
            MemoryMXBean m = ManagementFactory.getMemoryMXBean(); com.sun.management.OperatingSystemMXBean os = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
            ByteBuffer.allocateDirect(8 << 20).put(0, (byte) 1); Thread.sleep(1);
            return (m.getHeapMemoryUsage().getUsed() > 0) + " " + (os.getTotalMemorySize() > 0) + " " + (os.getFreeMemorySize() > 0) + " " + (os.getProcessCpuTime() > 0) + " " + (os.getCommittedVirtualMemorySize() > 0) + " " + (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() > 0) + " " + (((com.sun.management.UnixOperatingSystemMXBean) os).getOpenFileDescriptorCount() > 3)
                + " " + (ManagementFactory.getRuntimeMXBean().getPid() > 0) + " " + (ManagementFactory.getThreadMXBean().getThreadCount() > 3);
        });
        // Only with an argument: Linux would start it.
        if (args.length > 0) step("child", () -> { try { new ProcessBuilder("/bin/true").start(); return "started"; } catch (IOException e) { return e.getMessage(); } });
        step("hs_err", () -> { try (Stream<Path> l = Files.list(Path.of("/tmp"))) { return l.filter(p -> p.getFileName().toString().startsWith("hs_err_pid" + ProcessHandle.current().pid())).count(); } });
        if (times) System.out.println("max heap " + (Runtime.getRuntime().maxMemory() >> 20) + " MB, " + Runtime.getRuntime().availableProcessors() + " CPUs, RSS " + rss() + ", code " + ManagementFactory.getMemoryPoolMXBeans().stream().filter(b -> b.getName().startsWith("CodeHeap") || b.getName().equals("CodeCache")).mapToLong(b -> b.getUsage().getCommitted()).sum() / 1024 + " KiB");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("shutdown hook")));
        System.exit(failed ? 1 : 7);
    }

    static void LockSupportPark(int i) { if (i % 50 == 0) java.util.concurrent.locks.LockSupport.parkNanos(100000); }

    static int deep(int n) { return deep(n + 1) + 1; }

    static String rss() { try { return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(s -> s.startsWith("VmHWM")).findFirst().orElse("?"); } catch (IOException e) { return "?"; } }
}
