package inet

import (
	"gvisor.dev/gvisor/pkg/tcpip"

	"skerry/kernel/abi"
)

// errnoOf is the errno that Linux answers where the IP stack has an error.
func errnoOf(err tcpip.Error) abi.Errno {
	switch err.(type) {
	case nil:
		return abi.OK
	case *tcpip.ErrWouldBlock:
		return abi.EAGAIN
	case *tcpip.ErrClosedForSend, *tcpip.ErrAborted:
		return abi.EPIPE
	case *tcpip.ErrConnectStarted:
		return abi.EINPROGRESS
	case *tcpip.ErrAlreadyConnecting:
		return abi.EALREADY
	case *tcpip.ErrAlreadyConnected:
		return abi.EISCONN
	case *tcpip.ErrNotConnected:
		return abi.ENOTCONN
	case *tcpip.ErrConnectionRefused:
		return abi.ECONNREFUSED
	case *tcpip.ErrConnectionReset:
		return abi.ECONNRESET
	case *tcpip.ErrConnectionAborted:
		return abi.ECONNABORTED
	case *tcpip.ErrTimeout:
		return abi.ETIMEDOUT
	case *tcpip.ErrNetworkUnreachable:
		return abi.ENETUNREACH
	case *tcpip.ErrHostUnreachable:
		return abi.EHOSTUNREACH
	case *tcpip.ErrHostDown:
		return abi.EHOSTDOWN
	case *tcpip.ErrNoNet:
		return abi.ENONET
	case *tcpip.ErrDestinationRequired:
		return abi.EDESTADDRREQ
	case *tcpip.ErrBadLocalAddress:
		return abi.EADDRNOTAVAIL
	case *tcpip.ErrPortInUse:
		return abi.EADDRINUSE
	case *tcpip.ErrNoPortAvailable:
		return abi.EADDRNOTAVAIL
	case *tcpip.ErrBadBuffer, *tcpip.ErrBadAddress:
		return abi.EFAULT
	case *tcpip.ErrBroadcastDisabled:
		return abi.EACCES
	case *tcpip.ErrMessageTooLong:
		return abi.EMSGSIZE
	case *tcpip.ErrNoBufferSpace:
		return abi.ENOBUFS
	case *tcpip.ErrUnknownProtocolOption:
		return abi.ENOPROTOOPT
	case *tcpip.ErrNotSupported:
		return abi.EOPNOTSUPP
	case *tcpip.ErrUnknownDevice, *tcpip.ErrUnknownNICID:
		return abi.ENODEV
	case *tcpip.ErrNoSuchFile:
		return abi.ENOENT
	case *tcpip.ErrNotPermitted:
		return abi.EPERM
	case *tcpip.ErrAddressFamilyNotSupported:
		return abi.EAFNOSUPPORT
	case *tcpip.ErrUnknownProtocol:
		return abi.EPROTONOSUPPORT
	}
	// ErrAlreadyBound, ErrInvalidEndpointState, ErrInvalidOptionValue and what
	// cannot come from a socket.
	return abi.EINVAL
}
