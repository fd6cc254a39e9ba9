package redisstore

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func BenchmarkMarksUse(b *testing.B) {
	s := openAt(b, sharedRedis(b), time.Now)
	now := time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mark := signet.Mark{
			Space: "assertion", Key: "client " + strconv.Itoa(i),
			IssuedAt: now.Add(time.Minute), ExpiresAt: now.Add(2 * time.Minute),
		}
		if err := s.Marks().Use(b.Context(), mark); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRevocationsLook(b *testing.B) {
	s := openAt(b, sharedRedis(b), time.Now)
	load := func(context.Context) ([]signet.Revocation, error) { return nil, nil }
	if err := s.Revocations().Rebuild(b.Context(), load); err != nil {
		b.Fatal(err)
	}
	keys := []string{"token:aaaaaaaaaaaaaaaaaaaaaa", "grant:bbbbbbbbbbbbbbbbbbbbbb", "client:c", "user:d", "key:e"}
	b.ReportAllocs()
	for b.Loop() {
		if _, known, err := s.Revocations().Look(b.Context(), keys); err != nil || !known {
			b.Fatal(known, err)
		}
	}
}

// BenchmarkPing is the floor: one round trip through the driver.
func BenchmarkPing(b *testing.B) {
	s := openAt(b, sharedRedis(b), time.Now)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
