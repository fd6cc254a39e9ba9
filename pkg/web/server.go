package web

import (
	"log/slog"
	"net/http"
	"time"
)

// The limits of a connection. A reader or writer slower than these is an attack or gone.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // header and body together
	writeTimeout  = 20 * time.Second
	idleTimeout   = 60 * time.Second
	headerBytes   = 32 << 10
	maxConns      = 8192
	// ownDescriptors are kept for stores, files and the other listeners.
	ownDescriptors = 512
)

// connections is the cap that the process's limit of descriptors allows.
func connections(limit uint64) int {
	switch {
	case limit == 0 || limit >= maxConns+ownDescriptors:
		return maxConns
	case limit <= 2*ownDescriptors:
		return max(1, int(limit/2))
	default:
		return int(limit - ownDescriptors)
	}
}

// NewServer returns a server with every limit set: 5 s for the header, 10 s for header and body, 20 s for the answer,
// 32 KiB of header, 8,192 connections or what the limit of open files allows. At the cap the connection that has idled longest makes room for the new one;
// when none idles, the new one is closed, so that the listener itself never runs out of descriptors.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	gate := newGate(connections(descriptors()))
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               headerBytes,
		DisableGeneralOptionsHandler: true,
		ConnState:                    gate.change,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: 100},
		// What net/http says concerns connections of callers; debug keeps a scanner from filling the log.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
