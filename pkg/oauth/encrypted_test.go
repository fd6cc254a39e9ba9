package oauth

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// slowServers lists one record, once it may.
type slowServers struct {
	ResourceServers
	asked, free chan struct{}
}

func (s *slowServers) ListResourceServers(ctx context.Context, _ string, _ int) ([]signet.ResourceServer, error) {
	s.asked <- struct{}{}
	select {
	case <-s.free:
		return []signet.ResourceServer{{ID: "rs", Keys: []signet.SealedKey{{ID: "known", Use: signet.KeyDecrypt}}}}, nil
	case <-ctx.Done():
		return nil, signet.Unavailable(ctx.Err())
	}
}

// Whoever sends a JWE with an invented kid has the records listed. Neither may a slow listing hold up those whose kid is
// known, nor may a caller who hangs up make it fail for the others, nor does anybody wait longer than its own deadline.
func TestInventedKidsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	records := &slowServers{asked: make(chan struct{}, 8), free: make(chan struct{}, 8)}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := &Server{Options: Options{Now: func() time.Time { return now }, Contracts: Contracts{ResourceServers: records}}}
	records.free <- struct{}{}
	if ids, err := s.holders(t.Context(), "known"); err != nil || !slices.Equal(ids, []string{"rs"}) {
		t.Fatalf("%v, %v", ids, err)
	}
	<-records.asked
	now = now.Add(2 * heldEvery)

	hangsUp, hangUp := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := s.holders(hangsUp, "invented"); first <- err }()
	<-records.asked // the listing goes on
	go func() { _, err := s.holders(t.Context(), "new"); second <- err }()
	known := make(chan error, 1)
	go func() { _, err := s.holders(t.Context(), "known"); known <- err }()
	select {
	case err := <-known:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a known kid waits for the listing")
	}
	hangUp()
	select {
	case err := <-first:
		if !errors.Is(err, signet.ErrUnavailable) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("who hung up still waits")
	}
	records.free <- struct{}{}
	if err := <-second; err != nil {
		t.Errorf("somebody else hung up, and this caller is told %v", err)
	}
	if len(records.asked) != 0 {
		t.Error("listed more than once")
	}
}
