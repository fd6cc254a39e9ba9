//go:build unix

package web

import "syscall"

// descriptors returns how many files and sockets this process may have open, 0 when the system does not say. The Go
// runtime has raised the soft limit to the hard one by now.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
