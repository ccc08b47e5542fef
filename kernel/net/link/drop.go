package link

// Drop is a reason why a frame was dropped.
type Drop uint8

// The reasons. The order is the order of the counters in reports.
const (
	DropRunt       Drop = iota // shorter than its headers
	DropNotOurs                // another station's frame or address
	DropProtocol               // EtherType, IP protocol or ICMP type not spoken here
	DropChecksum               // bad IPv4 header checksum
	DropOption                 // IPv4 source route, record route, timestamp, or malformed
	DropMartian                // source or destination that cannot be on this link
	DropMismatch               // link and network layer disagree (unicast IP in a group frame)
	DropFragment               // tiny, atomic or too many fragments
	DropRouting                // IPv6 routing header or too many extension headers
	DropRouter                 // router advertisement or redirect
	DropNeighbor               // neighbour answer to a question that was not asked
	DropConflict               // another station uses our address
	DropICMP                   // ICMP error about a connection that does not exist
	DropBacklog                // for a listener or socket that is behind
	DropMemory                 // sockets have used up their memory
	DropTxFull                 // transmit queue full
	DropTxProtocol             // outgoing packet of a protocol that is off
	numDrops
)

// String is the counter's name.
func (d Drop) String() string {
	if d < numDrops {
		return dropNames[d]
	}
	return "unknown"
}

var dropNames = [numDrops]string{
	DropRunt: "runt", DropNotOurs: "not-ours", DropProtocol: "protocol", DropChecksum: "checksum",
	DropOption: "option", DropMartian: "martian", DropMismatch: "mismatch", DropFragment: "fragment",
	DropRouting: "routing", DropRouter: "router", DropNeighbor: "neighbor", DropConflict: "conflict",
	DropICMP: "icmp", DropBacklog: "backlog", DropMemory: "memory", DropTxFull: "tx-full", DropTxProtocol: "tx-protocol",
}

// NumDrops is the number of reasons.
const NumDrops = int(numDrops)

// drop counts and reports false, so that a filter can return it.
func (e *Endpoint) drop(d Drop) bool {
	e.drops[d].Add(1)
	return false
}

// Account adds up the counters in the terms of an interface's statistics:
// frames dropped, frames in error, and packets that could not be sent. Other
// stations' frames and denied ones are neither.
func (e *Endpoint) Account(rxDropped, rxErrors, txDropped *uint64) {
	for d := range e.drops {
		n := e.drops[d].Load()
		switch Drop(d) {
		case DropNotOurs:
		case DropRunt, DropChecksum:
			*rxErrors += n
		case DropTxFull, DropTxProtocol:
			*txDropped += n
		default:
			*rxDropped += n
		}
	}
}
