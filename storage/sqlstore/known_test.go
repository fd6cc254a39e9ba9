package sqlstore

import (
	"context"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// The ids are used to say no: none may ever be missing.
func TestKnownIDsNeverMissOne(t *testing.T) {
	t.Parallel()
	lost := func(k *knownIDs) bool {
		select {
		case <-k.lost:
			return true
		default:
			return false
		}
	}
	k := newKnownIDs()
	if k.rulesOut("a") {
		t.Fatal("an id is ruled out before any was read")
	}
	k.begin()
	k.dropNamed("b") // committed after the statement below began
	k.take([]string{"a"})
	for id, out := range map[string]bool{"a": false, "b": false, "c": true} {
		if k.rulesOut(id) != out {
			t.Errorf("%s: ruled out %v, want %v", id, !out, out)
		}
	}
	k.dropNamed("c")
	if k.rulesOut("c") {
		t.Error("a biller that was just made is ruled out")
	}
	k.begin()
	k.dropNamed("")
	k.take([]string{"a"})
	if k.rulesOut("d") || !lost(k) || lost(k) {
		t.Error("what was read before changes were lost is used, or is not read again once")
	}
}

// A node learns of a new biller from its changes, and forgets what it knows when it cannot hear of any.
func TestUnknownBillersAreAskedForUnlessFresh(t *testing.T) {
	t.Parallel()
	s := openEmpty(t)
	ctx := t.Context()
	must(t, s.poll(ctx))
	must(t, s.preloadBillers(ctx))
	if !s.nobody(ctx, s.knownBillers, "b") {
		t.Fatal("an unknown biller is not ruled out")
	}
	must(t, s.InsertBiller(ctx, &signet.Biller{ID: "b"}, signet.Event{}))
	if _, err := s.Biller(ctx, "b"); err != nil {
		t.Fatalf("a biller made here is not found: %v", err)
	}
	// Another node's change, seen by the poll alone.
	_, err := s.pool.ExecContext(ctx, `INSERT INTO billers (id, metadata, created_at, updated_at, version)
		SELECT 'c', metadata, created_at, updated_at, 1 FROM billers`)
	must(t, err)
	if _, err := s.Biller(ctx, "c"); signet.CodeOf(err) != signet.CodeNotFound {
		t.Fatalf("got %v before the poll", err)
	}
	must(t, s.act(ctx, func(_ context.Context, tx *transaction) error { tx.change(changedBillers, "c"); return nil }))
	if _, err := s.Biller(ctx, "c"); err != nil {
		t.Fatalf("a biller that a change named is not found: %v", err)
	}
	past := s.opts.Now().Add(2 * freshFor)
	s.opts.Now = func() time.Time { return past }
	if s.nobody(ctx, s.knownBillers, "d") {
		t.Error("a biller is ruled out by what may be old")
	}
}
