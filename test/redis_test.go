package skerrytest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// redisScript uses every data type, scripts, transactions and expiry. Linux and a
// machine must answer with the same bytes.
const redisScript = `FLUSHALL
SET s hello
APPEND s " world"
GETRANGE s 3 -3
SETRANGE s 6 Redis
GET s
INCRBYFLOAT f 3.14159
SETBIT bits 100 1
BITCOUNT bits
BITPOS bits 1
LPUSH l a b c d e
LINSERT l BEFORE c x
LRANGE l 0 -1
LMOVE l m LEFT RIGHT
SADD set1 1 2 3 4 5 zebra
SADD set2 4 5 6
SINTER set1 set2
SDIFFSTORE set3 set1 set2
SCARD set3
HSET h f1 v1 f2 v2 n 10
HINCRBY h n 32
HGETALL h
ZADD z 1 one 2 two 3.5 three -inf low
ZRANGE z 0 -1 WITHSCORES
ZRANGEBYSCORE z (1 +inf LIMIT 0 2
ZREVRANK z one
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEODIST g Palermo Catania km
PFADD hll a b c d e f g
PFCOUNT hll
XADD st 1-1 k v
XADD st 1-2 k w
XRANGE st - +
XGROUP CREATE st grp 0
XREADGROUP GROUP grp c1 COUNT 1 STREAMS st >
MULTI
INCR n
INCR n
EXEC
SET e 1 PX 100000
PERSIST e
TTL e
OBJECT ENCODING l
OBJECT ENCODING s
TYPE z
SORT set2 DESC
EVAL "local s=0 for i=1,ARGV[1] do s=s+i end return s" 0 100000
EVAL "redis.call('SET',KEYS[1],ARGV[1]) return redis.call('GET',KEYS[1])" 1 lk lv
EVAL "return {1,2,{3,'four'},redis.status_reply('fine'),redis.error_reply('bad')}" 0
EVAL "return cjson.encode({a=1,b={1,2,3}})" 0
EVAL "return redis.sha1hex('skerry')" 0
EVAL "return struct.pack('>I2',513)" 0
EVAL "return bit.bxor(240,255)" 0
EVAL "error('raised')" 0
SCRIPT LOAD "return 42"
EVALSHA 1fa00e76656cc152ad327c13fe365858fd7be306 0
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f',function(k,a) return a[1] end)"
FCALL f 0 arg
LPUSH s wrong
NOSUCH
DUMP s
COPY s s2
GET s2
DBSIZE
SAVE
`

// redisTimes are what differs from run to run.
var redisTimes = regexp.MustCompile(`(?m)^\d{10}-\d+$`)

func redisCLI(t *testing.T, address, input string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.CommandContext(ctx, "redis-cli", append([]string{"-p", port}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("redis-cli %q: %v: %s", args, err, out)
	}
	return string(out)
}

var redisRow = regexp.MustCompile(`(?m)^"([^"]+)","([0-9.]+)"`)

func TestRedis(t *testing.T) {
	path := packaged(t, "redis-server", "redis-server")
	packaged(t, "redis-cli", "redis-tools")
	packaged(t, "redis-benchmark", "redis-tools")
	answers := map[bool]string{}
	tests := map[bool]int{}
	d := &harness.Daemon{
		Path: path, Memory: 96,
		Args: func(p harness.Place) []string {
			return []string{"--port", strconv.Itoa(p.Ports[0]), "--bind", p.Host, "--protected-mode", "no", "--dir", p.Tmp, "--appendonly", "yes", "--save", "",
				"--enable-debug-command", "yes"}
		},
		Ready: greets("PING\r\n", "+PONG"),
	}
	daemon(t, d, 0, func(t *testing.T, r *harness.Running) {
		linux := r.Tmp != ""
		got := redisCLI(t, r.Address, redisScript)
		if strings.Count(got, "\n") < 60 || !strings.HasSuffix(got, "OK\n") {
			t.Errorf("the script ends with %q", tail([]byte(got), 200))
		}
		got = redisTimes.ReplaceAllString(got, "")
		if linux {
			answers[true] = got
		} else if diff := harness.Difference([]byte(answers[true]), []byte(got)); diff != "" {
			t.Errorf("Linux (-) and Skerry (+): %s", diff)
		}
		// A snapshot in the background forks; the append-only file is written without.
		if !linux {
			if got := redisCLI(t, r.Address, "", "BGSAVE"); !strings.HasPrefix(got, "ERR") {
				t.Errorf("BGSAVE: %q", got)
			}
			if !strings.Contains(r.Output(), "Can't save in background: fork: Operation not permitted") {
				t.Error("nothing is said of a fork")
			}
			if got := redisCLI(t, r.Address, "", "BGREWRITEAOF"); !strings.HasPrefix(got, "ERR") {
				t.Errorf("BGREWRITEAOF: %q", got)
			}
		}
		if got := redisCLI(t, r.Address, "", "INFO", "persistence"); !strings.Contains(got, "aof_last_write_status:ok") || !strings.Contains(got, "aof_enabled:1") {
			t.Errorf("the append-only file: %s", got)
		}
		// What was written is read again.
		if got := redisCLI(t, r.Address, "SET after 1\nDEBUG RELOAD\nGET after\n"); got != "OK\nOK\n1\n" {
			t.Errorf("%q", got)
		}
		n := redisBenchmark(t, r.Address)
		if linux {
			tests[true] = n
		} else if n != tests[true] {
			t.Errorf("redis-benchmark made %d tests of %d", n, tests[true])
		}
	})
}

// redisBenchmark runs all of redis-benchmark and returns how many tests it made.
func redisBenchmark(t *testing.T, address string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	_, port, _ := net.SplitHostPort(address)
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "redis-benchmark", "-p", port, "--csv", "-n", "600", "-c", "20")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || strings.Contains(errs.String(), "rror") {
		t.Errorf("redis-benchmark: %v: %s", err, errs.String())
	}
	rows := redisRow.FindAllStringSubmatch(out.String(), -1)
	var line []string
	for _, r := range rows {
		if v, err := strconv.ParseFloat(r[2], 64); err != nil || v <= 0 {
			t.Errorf("%s: %s requests per second", r[1], r[2])
		}
		line = append(line, fmt.Sprintf("%s %s", r[1], r[2]))
	}
	if len(rows) < 18 {
		t.Errorf("redis-benchmark: %s", out.String())
	}
	t.Logf("requests per second: %s", strings.Join(line, ", "))
	return len(rows)
}
