package redisstore

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is a TCP address whose target a test can move or cut off, as a network does.
type proxy struct {
	addr     string
	listener net.Listener
	mu       sync.Mutex
	target   string // "": cut off, connections are closed at once
	open     map[net.Conn]bool
}

func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &proxy{addr: listener.Addr().String(), listener: listener, target: target, open: map[net.Conn]bool{}}
	var accepting sync.WaitGroup
	accepting.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.point("")
		accepting.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(in)
	}
}

func (p *proxy) serve(in net.Conn) {
	defer p.forget(in)
	p.mu.Lock()
	target := p.target
	p.open[in] = true
	p.mu.Unlock()
	if target == "" {
		return
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer p.forget(out)
	p.mu.Lock()
	p.open[out] = true
	moved := p.target != target
	p.mu.Unlock()
	if moved {
		return
	}
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

func (p *proxy) forget(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
}

// point moves the address to another target and ends every connection.
func (p *proxy) point(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for c := range p.open {
		_ = c.Close()
	}
}
