package web

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// gate caps the connections of a server.
type gate struct {
	max  int
	mu   sync.Mutex
	open map[net.Conn]*list.Element // nil while active
	idle *list.List                 // front: idle longest
}

func newGate(limit int) *gate {
	return &gate{max: limit, open: map[net.Conn]*list.Element{}, idle: list.New()}
}

// change follows http.Server.ConnState.
func (g *gate) change(conn net.Conn, state http.ConnState) {
	victim := g.move(conn, state)
	if victim == nil {
		return
	}
	// This runs where connections are accepted. A TLS close says goodbye first, and waits up to 5 s for a peer who does not
	// read: whoever keeps many such connections idle would stop the listener.
	if secured, ok := victim.(*tls.Conn); ok {
		victim = secured.NetConn()
	}
	_ = victim.Close()
}

func (g *gate) move(conn net.Conn, state http.ConnState) (victim net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if element := g.open[conn]; element != nil {
		g.idle.Remove(element)
		g.open[conn] = nil
	}
	switch state {
	case http.StateNew:
		if len(g.open) >= g.max {
			oldest := g.idle.Front()
			if oldest == nil {
				return conn
			}
			victim = g.idle.Remove(oldest).(net.Conn)
			delete(g.open, victim)
		}
		g.open[conn] = nil
	case http.StateIdle:
		if _, known := g.open[conn]; known {
			g.open[conn] = g.idle.PushBack(conn)
		}
	case http.StateClosed, http.StateHijacked:
		delete(g.open, conn)
	}
	return victim
}
