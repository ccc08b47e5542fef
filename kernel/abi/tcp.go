package abi

// Options of IPPROTO_TCP, tcp(7); uapi/linux/tcp.h.
const (
	TCP_NODELAY              = 1
	TCP_MAXSEG               = 2
	TCP_CORK                 = 3
	TCP_KEEPIDLE             = 4
	TCP_KEEPINTVL            = 5
	TCP_KEEPCNT              = 6
	TCP_SYNCNT               = 7
	TCP_LINGER2              = 8
	TCP_DEFER_ACCEPT         = 9
	TCP_WINDOW_CLAMP         = 10
	TCP_INFO                 = 11
	TCP_QUICKACK             = 12
	TCP_CONGESTION           = 13
	TCP_MD5SIG               = 14
	TCP_THIN_LINEAR_TIMEOUTS = 16
	TCP_THIN_DUPACK          = 17
	TCP_USER_TIMEOUT         = 18
	TCP_REPAIR               = 19
	TCP_REPAIR_QUEUE         = 20
	TCP_QUEUE_SEQ            = 21
	TCP_REPAIR_OPTIONS       = 22
	TCP_FASTOPEN             = 23
	TCP_TIMESTAMP            = 24
	TCP_NOTSENT_LOWAT        = 25
	TCP_CC_INFO              = 26
	TCP_SAVE_SYN             = 27
	TCP_SAVED_SYN            = 28
	TCP_REPAIR_WINDOW        = 29
	TCP_FASTOPEN_CONNECT     = 30
	TCP_ULP                  = 31
	TCP_MD5SIG_EXT           = 32
	TCP_FASTOPEN_KEY         = 33
	TCP_FASTOPEN_NO_COOKIE   = 34
	TCP_ZEROCOPY_RECEIVE     = 35
	TCP_INQ                  = 36
	TCP_TX_DELAY             = 37
	TCP_AO_ADD_KEY           = 38
	TCP_AO_DEL_KEY           = 39
	TCP_AO_INFO              = 40
	TCP_AO_GET_KEYS          = 41
	TCP_AO_REPAIR            = 42
	TCP_IS_MPTCP             = 43
)

// States in TCPInfo.State and /proc/net/tcp, include/net/tcp_states.h.
const (
	TCP_ESTABLISHED  = 1
	TCP_SYN_SENT     = 2
	TCP_SYN_RECV     = 3
	TCP_FIN_WAIT1    = 4
	TCP_FIN_WAIT2    = 5
	TCP_TIME_WAIT    = 6
	TCP_CLOSE        = 7
	TCP_CLOSE_WAIT   = 8
	TCP_LAST_ACK     = 9
	TCP_LISTEN       = 10
	TCP_CLOSING      = 11
	TCP_NEW_SYN_RECV = 12
)

// States of congestion control in TCPInfo.CAState.
const (
	TCP_CA_Open     = 0
	TCP_CA_Disorder = 1
	TCP_CA_CWR      = 2
	TCP_CA_Recovery = 3
	TCP_CA_Loss     = 4
)

// Options in TCPInfo.Options.
const (
	TCPI_OPT_TIMESTAMPS = 1
	TCPI_OPT_SACK       = 2
	TCPI_OPT_WSCALE     = 4
	TCPI_OPT_ECN        = 8
	TCPI_OPT_ECN_SEEN   = 16
	TCPI_OPT_SYN_DATA   = 32
	TCPI_OPT_USEC_TS    = 64
	TCPI_OPT_TFO_CHILD  = 128
)

// TCPInfo is struct tcp_info of Linux 6.12. A caller with a shorter buffer gets
// its beginning. Times are in microseconds unless the name says otherwise.
type TCPInfo struct {
	State              uint8  // tcpi_state
	CAState            uint8  // tcpi_ca_state
	Retransmits        uint8  // tcpi_retransmits
	Probes             uint8  // tcpi_probes
	Backoff            uint8  // tcpi_backoff
	Options            uint8  // tcpi_options
	Wscale             uint8  // snd_wscale (low four bits) and rcv_wscale
	DeliveryRateLimit  uint8  // delivery_rate_app_limited (bit 0), fastopen_client_fail (bits 1, 2)
	RTO                uint32 // tcpi_rto
	ATO                uint32 // tcpi_ato
	SndMSS             uint32 // tcpi_snd_mss
	RcvMSS             uint32 // tcpi_rcv_mss
	Unacked            uint32 // tcpi_unacked
	Sacked             uint32 // tcpi_sacked
	Lost               uint32 // tcpi_lost
	Retrans            uint32 // tcpi_retrans
	Fackets            uint32 // tcpi_fackets
	LastDataSentMs     uint32 // tcpi_last_data_sent
	LastAckSentMs      uint32 // tcpi_last_ack_sent
	LastDataRecvMs     uint32 // tcpi_last_data_recv
	LastAckRecvMs      uint32 // tcpi_last_ack_recv
	PMTU               uint32 // tcpi_pmtu
	RcvSsthresh        uint32 // tcpi_rcv_ssthresh
	RTT                uint32 // tcpi_rtt
	RTTVar             uint32 // tcpi_rttvar
	SndSsthresh        uint32 // tcpi_snd_ssthresh
	SndCwnd            uint32 // tcpi_snd_cwnd
	AdvMSS             uint32 // tcpi_advmss
	Reordering         uint32 // tcpi_reordering
	RcvRTT             uint32 // tcpi_rcv_rtt
	RcvSpace           uint32 // tcpi_rcv_space
	TotalRetrans       uint32 // tcpi_total_retrans
	PacingRate         uint64 // tcpi_pacing_rate
	MaxPacingRate      uint64 // tcpi_max_pacing_rate
	BytesAcked         uint64 // tcpi_bytes_acked
	BytesReceived      uint64 // tcpi_bytes_received
	SegsOut            uint32 // tcpi_segs_out
	SegsIn             uint32 // tcpi_segs_in
	NotsentBytes       uint32 // tcpi_notsent_bytes
	MinRTT             uint32 // tcpi_min_rtt
	DataSegsIn         uint32 // tcpi_data_segs_in
	DataSegsOut        uint32 // tcpi_data_segs_out
	DeliveryRate       uint64 // tcpi_delivery_rate
	BusyTime           uint64 // tcpi_busy_time
	RwndLimited        uint64 // tcpi_rwnd_limited
	SndbufLimited      uint64 // tcpi_sndbuf_limited
	Delivered          uint32 // tcpi_delivered
	DeliveredCE        uint32 // tcpi_delivered_ce
	BytesSent          uint64 // tcpi_bytes_sent
	BytesRetrans       uint64 // tcpi_bytes_retrans
	DsackDups          uint32 // tcpi_dsack_dups
	ReordSeen          uint32 // tcpi_reord_seen
	RcvOoopack         uint32 // tcpi_rcv_ooopack
	SndWnd             uint32 // tcpi_snd_wnd
	RcvWnd             uint32 // tcpi_rcv_wnd
	Rehash             uint32 // tcpi_rehash
	TotalRTO           uint16 // tcpi_total_rto
	TotalRTORecoveries uint16 // tcpi_total_rto_recoveries
	TotalRTOTimeMs     uint32 // tcpi_total_rto_time
}
