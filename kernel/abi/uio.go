package abi

// Limit of a scatter list, uapi/linux/uio.h.
const (
	UIO_MAXIOV = 1024
)

// Iovec is struct iovec of readv(2).
type Iovec struct {
	Base uint64 // iov_base
	Len  uint64 // iov_len
}
