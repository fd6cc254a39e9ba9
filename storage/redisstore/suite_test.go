package redisstore

import (
	"testing"
	"time"

	"github.com/signet-auth/signet/storage/storagetest"
)

func TestMarksSuite(t *testing.T) {
	addr := sharedRedis(t)
	storagetest.RunMarks(t, func(t *testing.T, now func() time.Time) storagetest.Marks {
		return openAt(t, addr, now).Marks()
	})
}

func TestAttemptsSuite(t *testing.T) {
	addr := sharedRedis(t)
	storagetest.RunAttempts(t, func(t *testing.T, now func() time.Time) storagetest.Attempts {
		return openAt(t, addr, now).Attempts()
	})
}

func TestFastSuite(t *testing.T) {
	addr := sharedRedis(t)
	storagetest.RunFast(t, func(t *testing.T, now func() time.Time) storagetest.Fast {
		return openAt(t, addr, now).Revocations()
	})
}
