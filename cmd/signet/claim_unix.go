//go:build linux || darwin || freebsd || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// claim marks a folder as in use: the system drops the lock together with this process, however it ends. The file gets
// its name only when it is locked, so that abandoned never meets one in between.
func claim(dir string) (release func(), err error) {
	lock, err := locked(filepath.Join(dir, "lock.new"), os.O_EXCL)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(lock.Name(), filepath.Join(dir, "lock")); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return func() { _ = lock.Close() }, nil
}

// claimKept is claim for a folder that stays: its lock file is there from the run before. Error: a wrong call when another
// process has it.
func claimKept(dir string) (release func(), err error) {
	lock, err := locked(filepath.Join(dir, "lock"), 0)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, usage("%s is in use by another signet dev: end that, or give another folder", dir)
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}

// locked opens a file, made where it is missing, and locks it for this process alone. Error: EWOULDBLOCK when another has it.
func locked(file string, flags int) (*os.File, error) {
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// abandoned reports whether a folder of ours was claimed by a process that is gone. Temporary folders are shared with
// others, who may put anything there: neither links nor pipes are followed.
func abandoned(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Getuid() {
		return false
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
