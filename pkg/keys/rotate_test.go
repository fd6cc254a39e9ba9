package keys_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

// ROT01: one key through its whole life, as the public set, the signer and the verifiers see it.
func TestROT01LifeOfAKey(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx := context.Background()
	oldToken, old := sign(t, ring, "ES256")
	etag := ring.JWKS().ETag
	next, err := ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
	must(t, err)

	type expect struct {
		at                time.Duration // after the rotation
		old, next         signet.KeyState
		signer            signet.KeyID
		oldShown          bool
		verifies, asAHint bool
	}
	retire := signLead
	remove := retire + plan.LongestToken + plan.JWKSMaxAge + plan.Leeway
	forget := remove + plan.HintRetention
	for _, e := range []expect{
		{0, signet.KeyActive, signet.KeyPublished, old, true, true, true},
		// A cache that fetched just before the rotation comes back within max-age; only then may the new key sign.
		{plan.JWKSMaxAge, signet.KeyActive, signet.KeyPublished, old, true, true, true},
		{retire - 1, signet.KeyActive, signet.KeyPublished, old, true, true, true},
		{retire, signet.KeyRetiring, signet.KeyActive, next, true, true, true},
		{remove - 1, signet.KeyRetiring, signet.KeyActive, next, true, true, true},
		{remove, signet.KeyGone, signet.KeyActive, next, false, false, true},
		{forget - 1, signet.KeyGone, signet.KeyActive, next, false, false, true},
		{forget, signet.KeyGone, signet.KeyActive, next, false, false, false},
	} {
		c.advance(start.Add(e.at).Sub(c.Now()))
		if got := state(t, ring, old); got != e.old {
			t.Errorf("+%s: old key is %s, want %s", e.at, got, e.old)
		}
		if got := state(t, ring, next); got != e.next {
			t.Errorf("+%s: next key is %s, want %s", e.at, got, e.next)
		}
		if _, kid := sign(t, ring, "ES256"); kid != e.signer {
			t.Errorf("+%s: %s signs, want %s", e.at, kid, e.signer)
		}
		shown := published(t, ring)
		if _, ok := shown[old]; ok != e.oldShown {
			t.Errorf("+%s: old key published: %v", e.at, ok)
		}
		if _, ok := shown[next]; !ok {
			t.Errorf("+%s: next key is not published", e.at)
		}
		if _, _, _, err := ring.Verify(oldToken); (err == nil) != e.verifies {
			t.Errorf("+%s: Verify of an old token: %v", e.at, err)
		}
		if _, _, err := ring.VerifyHint(oldToken); (err == nil) != e.asAHint {
			t.Errorf("+%s: VerifyHint of an old token: %v", e.at, err)
		}
	}
	if ring.JWKS().ETag == etag {
		t.Error("the set changed and its ETag did not")
	}
}

// ROT01: rotation every 10 s while caches keep the set 300 s: no kid is used before every cache can know it.
func TestROT01FastRotation(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	seen := map[signet.KeyID]time.Time{} // when a key was first published
	for kid := range published(t, ring) {
		seen[kid] = start.Add(-signLead) // the first set: nobody cached anything before it
	}
	signers := map[signet.KeyID]bool{}
	for range 45 {
		_, err := ring.Rotate(context.Background(), "ES256", event(signet.EventKeyRotated))
		must(t, err)
		for kid := range published(t, ring) {
			if _, ok := seen[kid]; !ok {
				seen[kid] = c.Now()
			}
		}
		_, kid := sign(t, ring, "ES256")
		signers[kid] = true
		if age := c.Now().Sub(seen[kid]); age < plan.JWKSMaxAge {
			t.Fatalf("%s signs %s after its publication", kid, age)
		}
		c.advance(10 * time.Second)
	}
	if len(signers) < 10 {
		t.Errorf("only %d keys signed", len(signers))
	}
}

func TestROT02EmergencyRevocation(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	store := open()
	ring := newRing(t, options(store, c))
	ctx := context.Background()
	must(t, ring.Start(ctx))
	token, lost := sign(t, ring, "ES256")
	must(t, ring.Revoke(ctx, lost, event(signet.EventKeyRevoked)))

	if _, ok := published(t, ring)[lost]; ok {
		t.Error("the revoked key is still published")
	}
	_, _, _, err := ring.Verify(token)
	wantCode(t, err, signet.CodeInvalidToken)
	_, _, err = ring.VerifyHint(token)
	wantCode(t, err, signet.CodeInvalidToken)
	fresh, kid := sign(t, ring, "ES256")
	if kid == lost {
		t.Error("the revoked key still signs")
	}
	if _, ok := published(t, ring)[kid]; !ok {
		t.Error("the successor is not published")
	}
	_, _, _, err = ring.Verify(fresh)
	must(t, err)
	if got := state(t, ring, lost); got != signet.KeyRevoked {
		t.Errorf("state %s", got)
	}
	// The journal tells those who do not read our ring.
	found, err := store.RevocationsOf(ctx, signet.TokenFacts{KeyID: lost, IssuedAt: start})
	must(t, err)
	if len(found) != 1 || found[0].Kind != signet.RevokedKey {
		t.Errorf("journal %+v", found)
	}
	wantCode(t, ring.Revoke(ctx, lost, event(signet.EventKeyRevoked)), signet.CodeConflict)
	wantCode(t, ring.Revoke(ctx, "unknown", event(signet.EventKeyRevoked)), signet.CodeNotFound)

	// Another node, at its next reload.
	other := newRing(t, options(open(), c))
	must(t, other.Start(ctx))
	_, _, _, err = other.Verify(token)
	wantCode(t, err, signet.CodeInvalidToken)
}

// Revocation in the middle of a planned rotation leaves a signer at every moment.
func TestROT02DuringRotation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		revoke func(active, next signet.KeyID) signet.KeyID
	}{
		{"the active key", func(active, _ signet.KeyID) signet.KeyID { return active }},
		{"the published key", func(_, next signet.KeyID) signet.KeyID { return next }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ring, clock := started(t)
			ctx := context.Background()
			_, active := sign(t, ring, "ES256")
			next, err := ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
			must(t, err)
			lost := c.revoke(active, next)
			must(t, ring.Revoke(ctx, lost, event(signet.EventKeyRevoked)))
			for _, step := range []time.Duration{0, signLead - 1, 1, 24 * time.Hour} {
				clock.advance(step)
				if _, kid := sign(t, ring, "ES256"); kid == lost {
					t.Errorf("+%s: the revoked key signs", clock.Now().Sub(start))
				}
			}
			// And the chain goes on.
			_, before := sign(t, ring, "ES256")
			_, err = ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
			must(t, err)
			clock.advance(signLead)
			if _, after := sign(t, ring, "ES256"); after == before {
				t.Error("rotation stopped working")
			}
		})
	}
}

func TestMaxAgeFollowsThePlan(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	for _, e := range []struct {
		at   time.Duration
		want time.Duration
	}{
		{0, 300 * time.Second},
		{plan.RotateEvery - time.Hour, 300 * time.Second},
		{plan.RotateEvery - 300*time.Second, 300 * time.Second},
		{plan.RotateEvery - 100*time.Second, 100 * time.Second},
		{plan.RotateEvery - time.Millisecond, time.Second},
		{plan.RotateEvery, 300 * time.Second}, // overdue: nobody knows when
	} {
		c.advance(start.Add(e.at).Sub(c.Now()))
		if got := ring.JWKS().MaxAge; got != e.want {
			t.Errorf("+%s: max-age %s, want %s", e.at, got, e.want)
		}
	}
}

// Two nodes on one database: one rotates by schedule, both agree, and neither was told when.
func TestScheduledRotation(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	one, two := newRing(t, options(open(), c)), newRing(t, options(open(), c))
	ctx := context.Background()
	must(t, one.Start(ctx))
	must(t, two.Start(ctx))
	_, old := sign(t, one, "ES256")
	c.advance(plan.RotateEvery - time.Second)
	must(t, keys.KeepUp(one, ctx))
	if n := len(published(t, one)); n != 1 {
		t.Fatalf("%d keys published before it is due", n)
	}
	c.advance(time.Second)
	var group sync.WaitGroup
	for _, ring := range []*keys.Ring{one, two, one, two} {
		group.Go(func() {
			if err := keys.KeepUp(ring, ctx); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	must(t, one.Reload(ctx))
	must(t, two.Reload(ctx))
	if n := len(published(t, one)); n != 2 {
		t.Fatalf("%d keys published, want the old and one new", n)
	}
	if string(one.JWKS().Body) != string(two.JWKS().Body) || one.JWKS().ETag != two.JWKS().ETag {
		t.Error("two nodes publish different bytes")
	}
	c.advance(signLead)
	_, kid1 := sign(t, one, "ES256")
	token, kid2 := sign(t, two, "ES256")
	if kid1 == old || kid1 != kid2 {
		t.Errorf("signers %s and %s, old %s", kid1, kid2, old)
	}
	_, _, _, err := one.Verify(token)
	must(t, err)
}

func TestRotateErrors(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx := context.Background()
	for _, name := range []string{"", "HS256", "none", "sig", "es256"} {
		_, err := ring.Rotate(ctx, name, event(signet.EventKeyRotated))
		wantCode(t, err, signet.CodeInvalidRequest)
	}
	// An algorithm that was not there: published first, active later.
	id, err := ring.Rotate(ctx, "EdDSA", event(signet.EventKeyRotated))
	must(t, err)
	if algs := strings.Join(ring.SigningAlgs(), " "); algs != "ES256" {
		t.Errorf("%s signs before caches can know the key", algs)
	}
	if _, ok := published(t, ring)[id]; !ok {
		t.Error("not published")
	}
	c.advance(signLead)
	if algs := strings.Join(ring.SigningAlgs(), " "); algs != "ES256 EdDSA" {
		t.Errorf("algorithms %s", algs)
	}
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, ring.Run(ctx))
}
