package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// FLT-14: what the kernel had accepted when the listener was closed is served, not reset.
func TestPartingServesWhatIsQueued(t *testing.T) {
	t.Parallel()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := newParting(plain)
	const queued = 20
	clients := make([]net.Conn, queued)
	for i := range clients { // nobody accepts yet: they wait in the queue
		if clients[i], err = net.Dial("tcp", plain.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(clients[i], "hello\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	served := 0
	for {
		conn, err := listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.Fatal(err)
			}
			break
		}
		line := make([]byte, 6)
		if _, err := io.ReadFull(conn, line); err != nil || string(line) != "hello\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if _, err := io.WriteString(conn, "served"); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		served++
	}
	if served != queued {
		t.Errorf("%d of %d were handed over", served, queued)
	}
	for _, client := range clients {
		answer, err := io.ReadAll(client)
		if err != nil || !strings.HasPrefix(string(answer), "served") {
			t.Errorf("%q, %v", answer, err)
		}
		_ = client.Close()
	}
	if _, err := net.Dial("tcp", plain.Addr().String()); err == nil {
		t.Error("a closed listener takes connections")
	}
	if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}
