package main

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// parting is a listener that, when it is closed, first hands over the connections that the kernel has already made. With
// a plain close they are reset, and whoever had connected, and perhaps sent a request, would not know whether it was
// served (FLT-14). What arrives after that is refused, before anything is sent.
type parting struct {
	*net.TCPListener
	left chan net.Conn // filled and closed before the listener is
}

func newParting(listener net.Listener) net.Listener {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return listener
	}
	return &parting{TCPListener: tcp, left: make(chan net.Conn, maxLeft)}
}

// maxLeft is how many are handed over; the kernel's queue is bounded by net.core.somaxconn.
const maxLeft = 4096

// Accept returns the next connection; of those that were left when the listener was closed, too.
func (l *parting) Accept() (net.Conn, error) {
	conn, err := l.TCPListener.Accept()
	if err == nil || !errors.Is(err, net.ErrClosed) {
		return conn, err
	}
	if conn, ok := <-l.left; ok {
		return conn, nil
	}
	return nil, err
}

// Close empties the queue and closes the listener. A second call does nothing more.
func (l *parting) Close() error {
	raw, err := l.SyscallConn()
	if err != nil {
		return l.TCPListener.Close()
	}
	fault := raw.Control(func(fd uintptr) {
		// From here on the queue takes one more at most: the window in which somebody could slip in is that of one
		// connection.
		_ = syscall.Listen(int(fd), 0)
		l.takeLeft(int(fd))
	})
	if fault == nil {
		close(l.left)
	}
	return l.TCPListener.Close()
}

// takeLeft accepts without waiting until nothing is queued.
func (l *parting) takeLeft(fd int) {
	for len(l.left) < cap(l.left) {
		taken, _, err := syscall.Accept4(fd, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ECONNABORTED) {
			continue
		}
		if err != nil {
			return
		}
		file := os.NewFile(uintptr(taken), "left")
		conn, err := net.FileConn(file) // duplicates the descriptor
		_ = file.Close()
		if err == nil {
			l.left <- conn
		}
	}
}
