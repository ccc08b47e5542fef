// Package relay carries TCP connections from addresses of the host to ports of the
// loopback where QEMU's user network listens for the machine.
//
// QEMU could listen on the host's addresses itself, but it does so with a backlog
// of one (libslirp, tcpx_listen): of 16 connections that come at once most are
// dropped and tried again seconds later. So the launcher listens, with as long a
// queue as the system has, and connects to QEMU one connection after another, as
// fast as QEMU accepts them.
//
// To both ends a connection is as if it led to the other: data in order, the end
// of one direction as the end of that direction, a reset as a reset, and no delay
// for small segments (TCP_NODELAY). What the machine has sent before it ended
// still reaches the client (Relay.End).
//
// There are two goroutines for a listener, one that accepts and one that connects,
// and two for a connection. A connection that is idle holds no buffer. Relay.mu
// guards the set of connections and is held for moments only.
//
// It imports the standard library and golang.org/x/sys/unix.
package relay
