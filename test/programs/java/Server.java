import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** A server as the example servers are: / answers "hello", /bulk?n=N so many bytes. */
public class Server {
    public static void main(String[] args) throws Exception {
        byte[] hello = "hello".getBytes(), block = new byte[65536];
        for (int i = 0; i < block.length; i++) block[i] = (byte) ('a' + i % 26);
        String port = System.getenv("PORT");
        HttpServer s = HttpServer.create(new InetSocketAddress("0.0.0.0", port == null ? 8080 : Integer.parseInt(port)), 0);
        s.setExecutor(Executors.newFixedThreadPool(8));
        s.createContext("/", x -> {
            x.sendResponseHeaders(200, hello.length);
            x.getResponseBody().write(hello);
            x.close();
        });
        s.createContext("/bulk", x -> {
            int n = Integer.parseInt(x.getRequestURI().getQuery().substring(2));
            x.sendResponseHeaders(200, n);
            for (; n > 0; n -= block.length) x.getResponseBody().write(block, 0, Math.min(n, block.length));
            x.close();
        });
        s.start();
        System.out.println("listening on " + s.getAddress().getPort());
    }
}
