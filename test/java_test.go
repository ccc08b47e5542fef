package skerrytest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/bench/linuxvm"
	"skerry/test/harness"
)

// javaJar is a jar file of the classes of test/programs/java.
var javaJar = sync.OnceValues(func() (string, error) {
	b, err := builder()
	if err != nil {
		return "", err
	}
	dir, err := b.Dir("java")
	if err != nil {
		return "", err
	}
	classes, err := os.MkdirTemp(dir, "classes")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(classes)
	if out, err := exec.Command("javac", "-d", classes, "programs/java/Use.java", "programs/java/Server.java").CombinedOutput(); err != nil {
		return "", fmt.Errorf("javac: %v: %s", err, out)
	}
	jar := filepath.Join(dir, "programs.jar")
	if out, err := exec.Command("jar", "cf", jar, "-C", classes, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("jar: %v: %s", err, out)
	}
	return jar, nil
})

// javaPrograms finds java and the jar file.
func javaPrograms(t *testing.T) (java, jar string) {
	t.Helper()
	java = packaged(t, "java", "openjdk-17-jre-headless")
	packaged(t, "javac", "openjdk-17-jdk-headless")
	packaged(t, "jar", "openjdk-17-jdk-headless")
	jar, err := javaJar()
	if err != nil {
		t.Fatal(err)
	}
	return java, jar
}

// oneCompiler has code compiled once. What two compilers do to each other's code while
// it runs, the emulator gets wrong now and then (tornCode).
const oneCompiler = "-XX:TieredStopAtLevel=1"

// compilers are the flags for a server on so many CPUs: both compilers on one.
func compilers(cpus int) []string {
	if cpus == 1 {
		return nil
	}
	return []string{oneCompiler}
}

// TestJava uses null checks and safepoints of compiled code, collectors, 500
// threads, files, selectors and more, and compares with Linux.
func TestJava(t *testing.T) {
	skerry := skerryCommand(t)
	java, jar := javaPrograms(t)
	runs := []struct {
		name   string
		memory int
		short  bool
		args   []string
	}{
		{"serial-c1", 512, true, []string{"-XX:+UseSerialGC", oneCompiler, "-Xmx128m"}},
		{"serial", 512, false, []string{"-XX:+UseSerialGC", "-Xmx128m"}},
		{"g1", 512, false, []string{"-XX:+UseG1GC", "-Xmx200m"}},
		// The heap is reserved, not used: 40 GiB and its tables, beyond compressed pointers.
		{"reserve", 1024, false, []string{"-XX:+UseSerialGC", "-Xmx40g"}},
		{"interpreter", 512, false, []string{"-Xint", "-XX:+UseSerialGC", "-Xmx128m", "-Donly=a"}},
		{"parallel", 512, false, []string{"-XX:+UseParallelGC", "-Xmx128m", "-Xshare:off"}},
	}
	for _, r := range runs {
		if testing.Short() && !r.short {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			p := harness.Program{Path: java, Memory: r.memory, Timeout: 5 * time.Minute, Files: map[string]string{"/app/programs.jar": jar}}
			p.Args = append(append([]string{}, r.args...), "-cp", "/app/programs.jar", "Use")
			compareRuns(t, skerry, p, append(append([]string{}, r.args...), "-cp", jar, "Use"))
		})
	}
}

// TestJavaMachine shows that the virtual machine sees the memory and the processors
// of the machine, not of the host, and maps its archive of classes.
func TestJavaMachine(t *testing.T) {
	skerry := skerryCommand(t)
	java := packaged(t, "java", "openjdk-17-jre-headless")
	slot(t)
	o, err := harness.OnSkerry(context.Background(), skerry, &harness.Program{Path: java, CPUs: 2, Memory: 512, Timeout: time.Minute,
		Args: append(compilers(2), "-Xshare:on", "-XshowSettings:all", "-Xlog:os+container=trace", "-version")})
	if err != nil {
		t.Fatal(err)
	}
	out := string(o.Stdout) + string(o.Stderr)
	// A quarter of the memory is the default.
	heap := ""
	for _, line := range strings.Split(out, "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "Max. Heap Size (Estimated): "); ok {
			heap = strings.TrimSuffix(rest, "M")
		}
	}
	if mb, err := strconv.ParseFloat(heap, 64); err != nil || mb < 100 || mb > 128 {
		t.Errorf("the heap may have %s MiB of 512", heap)
	}
	if o.Status != 0 || !strings.Contains(out, "sharing") {
		t.Errorf("status %d\n%s", o.Status, tail([]byte(out), 3000))
	}
}

// TestJavaServer sends requests to a server in a machine.
func TestJavaServer(t *testing.T) {
	skerry := skerryCommand(t)
	java, jar := javaPrograms(t)
	t.Run("linux", func(t *testing.T) {
		serveRuntime(t, "", &harness.Program{Path: java, Args: []string{"-Xmx128m", "-cp", jar, "Server"}}, "", 2000, 143)
	})
	eachCPUs(t, func(t *testing.T, cpus int) {
		p := &harness.Program{Path: java, CPUs: cpus, Memory: 256, Args: append(compilers(cpus), "-Xmx96m", "-cp", "/app/programs.jar", "Server"),
			Flags: append([]string{"--file", jar + ":/app/programs.jar"}, strict...)}
		serveRuntime(t, skerry, p, "", 2000, 143)
	})
}

// activeMQ is where Debian's package has the broker.
const activeMQ = "/usr/share/activemq/bin/activemq.jar"

// brokerConfig is Debian's configuration with addresses that can be reached and
// STOMP beside OpenWire.
const brokerConfig = `<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
    http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <bean class="org.springframework.beans.factory.config.PropertyPlaceholderConfigurer"/>
  <broker xmlns="http://activemq.apache.org/schema/core" useJmx="false" brokerName="localhost" dataDirectory="${activemq.base}/data">
    <persistenceAdapter><kahaDB directory="${activemq.base}/data/kahadb"/></persistenceAdapter>
    <transportConnectors>
      <transportConnector name="openwire" uri="tcp://0.0.0.0:%d"/>
      <transportConnector name="stomp" uri="stomp://0.0.0.0:%d"/>
    </transportConnectors>
  </broker>
</beans>
`

// TestActiveMQ starts a broker, and sends and takes 1,000 messages over STOMP.
func TestActiveMQ(t *testing.T) {
	skerry := skerryCommand(t)
	java := packaged(t, "java", "openjdk-17-jre-headless")
	if _, err := os.Stat(activeMQ); err != nil {
		t.Skipf("no %s here (Debian's package is activemq)", activeMQ)
	}
	const openWire, stomp = 61616, 61613
	t.Run("linux", func(t *testing.T) {
		base := t.TempDir()
		ports := [2]int{}
		for i := range ports {
			var err error
			if ports[i], err = linuxvm.FreePort(); err != nil {
				t.Fatal(err)
			}
		}
		conf := filepath.Join(base, "activemq.xml")
		writeFile(t, conf, fmt.Sprintf(brokerConfig, ports[0], ports[1]))
		cmd := exec.Command(java, brokerArgs(base, conf)...)
		cmd.Dir = "/"
		broker(t, cmd, fmt.Sprintf("127.0.0.1:%d", ports[1]))
	})
	eachCPUs(t, func(t *testing.T, cpus int) {
		conf := filepath.Join(t.TempDir(), "activemq.xml")
		writeFile(t, conf, fmt.Sprintf(brokerConfig, openWire, stomp))
		port, err := linuxvm.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		args := []string{"run", "-m", "384M", "--cpus", fmt.Sprint(cpus), "-p", fmt.Sprintf("%s:%d", address, stomp), "--file", conf + ":/etc/activemq/activemq.xml", java}
		args = append(args, compilers(cpus)...)
		broker(t, exec.Command(skerry, append(args, brokerArgs("/tmp/activemq", "/etc/activemq/activemq.xml")...)...), address)
	})
}

// brokerArgs are java's arguments for a broker, without those that Debian's script
// adds for its management console.
func brokerArgs(base, conf string) []string {
	return []string{"-Xmx128m", "-Dactivemq.home=/usr/share/activemq", "-Dactivemq.base=" + base, "-Dactivemq.conf=" + filepath.Dir(conf),
		"-Dactivemq.data=" + base + "/data", "-jar", activeMQ, "start", "xbean:file:" + conf}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// broker runs a broker and uses it: 1,000 messages are sent, with a receipt for
// each tenth, and taken by a second connection, in order; then it is ended by
// SIGTERM.
func broker(t *testing.T, cmd *exec.Cmd, address string) {
	s, err := harness.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(10 * time.Second)
	defer func() {
		if t.Failed() {
			t.Logf("output %s", tail([]byte(s.Output()), 3000))
		}
	}()
	start := time.Now()
	producer := connectSTOMP(t, address, start.Add(2*time.Minute))
	up := time.Since(start)
	const messages = 1000
	for i := range messages {
		headers := []string{"destination:/queue/test", "persistent:true", fmt.Sprintf("number:%d", i)}
		if i%10 == 9 {
			headers = append(headers, fmt.Sprintf("receipt:r%d", i))
		}
		producer.send(t, "SEND", headers, fmt.Sprintf("message %d %s", i, strings.Repeat("x", i%100)))
		if i%10 == 9 {
			if f := producer.read(t); f.command != "RECEIPT" || f.headers["receipt-id"] != fmt.Sprintf("r%d", i) {
				t.Fatalf("%+v for message %d", f, i)
			}
		}
	}
	consumer := connectSTOMP(t, address, time.Now().Add(time.Minute))
	consumer.send(t, "SUBSCRIBE", []string{"id:0", "destination:/queue/test", "ack:client"}, "")
	for i := range messages {
		f := consumer.read(t)
		if want := fmt.Sprintf("message %d %s", i, strings.Repeat("x", i%100)); f.command != "MESSAGE" || f.body != want || f.headers["number"] != fmt.Sprint(i) {
			t.Fatalf("%+v, expected %q", f, want)
		}
		if i%100 == 99 {
			consumer.send(t, "ACK", []string{"id:" + f.headers["ack"]}, "")
		}
	}
	consumer.send(t, "DISCONNECT", []string{"receipt:bye"}, "")
	if f := consumer.read(t); f.command != "RECEIPT" {
		t.Errorf("%+v", f)
	}
	t.Logf("up after %v, done after %v", up, time.Since(start))
	if status, err := s.Stop(30 * time.Second); err != nil || status != 143 {
		t.Errorf("status %d after SIGTERM, %v", status, err)
	}
}

// stompFrame is a frame of STOMP 1.2 (stomp.github.io, "STOMP Frames").
type stompFrame struct {
	command string
	headers map[string]string
	body    string
}

// stompConn is a connection of a STOMP client.
type stompConn struct {
	c net.Conn
	r *bufio.Reader
}

// connectSTOMP connects, trying until the broker answers.
func connectSTOMP(t *testing.T, address string, until time.Time) *stompConn {
	t.Helper()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			s := &stompConn{c, bufio.NewReader(c)}
			c.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprint(c, "CONNECT\naccept-version:1.2\nhost:localhost\n\n\x00")
			// A launcher takes connections before the program listens.
			if _, err = s.r.Peek(1); err == nil {
				if f := s.read(t); f.command != "CONNECTED" {
					t.Fatalf("%+v", f)
				}
				t.Cleanup(func() { c.Close() })
				return s
			}
			c.Close()
		}
		if time.Now().After(until) {
			t.Fatalf("the broker does not answer: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *stompConn) send(t *testing.T, command string, headers []string, body string) {
	t.Helper()
	if _, err := io.WriteString(s.c, command+"\n"+strings.Join(headers, "\n")+"\n\n"+body+"\x00"); err != nil {
		t.Fatal(err)
	}
}

func (s *stompConn) read(t *testing.T) stompFrame {
	t.Helper()
	s.c.SetDeadline(time.Now().Add(time.Minute))
	f := stompFrame{headers: map[string]string{}}
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" && f.command == "": // a newline between frames
		case f.command == "":
			f.command = line
		case line == "":
			body, err := s.r.ReadString(0)
			if err != nil {
				t.Fatal(err)
			}
			f.body = strings.TrimSuffix(body, "\x00")
			return f
		default:
			k, v, _ := strings.Cut(line, ":")
			if _, dup := f.headers[k]; !dup {
				f.headers[k] = v
			}
		}
	}
}

// TestJavaRelative names jar files by relative paths: the one of -jar, whose manifest
// leads to another, and those of a class path in another working folder.
func TestJavaRelative(t *testing.T) {
	java, jar := javaPrograms(t)
	slot(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(jar)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "lib/programs.jar"), string(b))
	writeFile(t, filepath.Join(dir, "manifest"), "Main-Class: Use\nClass-Path: lib/programs.jar\n")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	const ends = 7 // Use's status
	onHost := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState.ExitCode() != ends {
			t.Fatalf("%s %v: %v", name, args, err)
		}
		return string(out)
	}
	onHost("jar", "cfm", "app.jar", "manifest")
	command := skerryIn(ctx, skerryCommand(t), dir)
	for _, c := range []struct{ flags, args []string }{
		{nil, []string{"-jar", "app.jar"}},
		{[]string{"-w", "/srv/deep"}, []string{"-cp", "none.jar:lib/*", "Use"}},
	} {
		args := append([]string{oneCompiler, "-XX:+UseSerialGC", "-Xmx128m", "-Donly=a"}, c.args...)
		out, errs, status := command(append(append([]string{"run", "--quiet", "-m", "512M"}, c.flags...), append([]string{java}, args...)...)...)
		if d := harness.Difference([]byte(onHost(java, args...)), []byte(out)); d != "" || status != ends {
			t.Errorf("%v: status %d, Linux (-) and Skerry (+): %s\n%s", c.args, status, d, tail([]byte(errs), 2000))
		}
	}
}
