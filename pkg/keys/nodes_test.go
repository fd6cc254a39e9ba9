package keys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

// lateKEK starts two nodes on one database: the second was not given the key-encryption key that the first seals with.
func lateKEK(t *testing.T) (rotates, behind *keys.Ring, c *clock) {
	t.Helper()
	c = &clock{now: start}
	open := database(t, c)
	behind = newRing(t, options(open(), c))
	must(t, behind.Start(context.Background()))
	o := options(open(), c)
	o.KEKs, o.CurrentKEK = map[string][]byte{"one": kek(1), "two": kek(2)}, "two"
	rotates = newRing(t, o)
	must(t, rotates.Start(context.Background()))
	return rotates, behind, c
}

// FLT17 at a rotation: the successor does not open here. The last good key signs until it retires, and then there is no
// token, rather than one by a key that the others have retired.
func TestFLT17SuccessorDoesNotOpen(t *testing.T) {
	t.Parallel()
	rotates, behind, c := lateKEK(t)
	ctx := context.Background()
	token, old := sign(t, behind, "ES256")
	_, err := rotates.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
	must(t, err)
	wantCode(t, behind.Reload(ctx), signet.CodeInternal)
	c.advance(signLead - 1)
	if _, kid := sign(t, behind, "ES256"); kid != old {
		t.Errorf("%s signs, want the last good key", kid)
	}
	c.advance(1)
	_, _, err = behind.Sign("ES256", "at+jwt", nil)
	wantCode(t, err, signet.CodeUnavailable)
	_, _, _, err = behind.Verify(token)
	must(t, err)
	// Nor does this node rotate on from what it does not know.
	if _, err := behind.Rotate(ctx, "ES256", event(signet.EventKeyRotated)); err == nil {
		t.Error("a node that cannot open the ring rotated it")
	}
	c.advance(plan.RotateEvery)
	if err := keys.KeepUp(behind, ctx); err == nil {
		t.Error("no word of the key that does not open")
	}
	if list, err := rotates.List(ctx); err != nil || len(list) != 6 {
		t.Errorf("%d keys, %v; want 6", len(list), err)
	}
}

// The same at an emergency: what was taken back is dead here too, though its successor does not open.
func TestFLT17RevokedAndSuccessorDoesNotOpen(t *testing.T) {
	t.Parallel()
	rotates, behind, _ := lateKEK(t)
	ctx := context.Background()
	token, lost := sign(t, behind, "ES256")
	must(t, rotates.Revoke(ctx, lost, event(signet.EventKeyRevoked)))
	wantCode(t, behind.Reload(ctx), signet.CodeInternal)
	_, _, _, err := behind.Verify(token)
	wantCode(t, err, signet.CodeInvalidToken)
	_, _, err = behind.Sign("ES256", "at+jwt", nil)
	wantCode(t, err, signet.CodeUnavailable)
	if _, ok := published(t, behind)[lost]; ok {
		t.Error("the revoked key is still published")
	}
}

// Rows that open and are still no keys of this version, such as one of a use that a later version makes: they end a start,
// and not a running node.
func TestFLT17RowsOfALaterVersion(t *testing.T) {
	t.Parallel()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	curve, err := x509.MarshalPKCS8PrivateKey(p384)
	must(t, err)
	for name, later := range map[string]struct {
		key   signet.Key
		plain []byte
	}{
		"unknown use":        {signet.Key{ID: "later", Use: "later"}, make([]byte, 32)},
		"another length":     {signet.Key{ID: "later", Use: signet.KeyHash}, make([]byte, 64)},
		"id with a quote":    {signet.Key{ID: `la"ter`, Use: signet.KeyHash}, make([]byte, 32)},
		"unknown algorithm":  {signet.Key{ID: "later", Use: signet.KeySigning, Alg: "ES512"}, make([]byte, 32)},
		"another curve":      {signet.Key{ID: "later", Use: signet.KeySigning, Alg: "ES256"}, curve},
		"no private key":     {signet.Key{ID: "later", Use: signet.KeySigning, Alg: "ES256"}, make([]byte, 32)},
		"empty":              {signet.Key{ID: "later", Use: signet.KeyFlow}, nil},
		"algorithm of a use": {signet.Key{ID: "later", Use: signet.KeySigning}, make([]byte, 32)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{now: start}
			open := database(t, c)
			store := &added{Store: open()}
			ring, other := newRing(t, options(store, c)), newRing(t, options(open(), c))
			ctx := context.Background()
			must(t, ring.Start(ctx))
			must(t, other.Start(ctx))
			next, err := other.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
			must(t, err)
			later.key.CreatedAt, later.key.PublishAt, later.key.ActivateAt = start, start, start
			keys.SealKey(ring, &later.key, later.plain)
			store.row = &later.key
			wantCode(t, ring.Reload(ctx), signet.CodeInternal)
			wantCode(t, newRing(t, options(store, c)).Start(ctx), signet.CodeInternal)
			c.advance(signLead)
			if _, kid := sign(t, ring, "ES256"); kid != next {
				t.Errorf("%s signs, want %s", kid, next)
			}
			hash := ring.HashKeys()
			if !hash.Verify("x", other.HashKeys().Hash("x")) || len(hash.Keys) != 1 {
				t.Error("the hash key is lost, or another is among them")
			}
		})
	}
}

// added is a store with one more row.
type added struct {
	keys.Store
	row *signet.Key
}

func (a *added) Keys(ctx context.Context) ([]signet.Key, error) {
	rows, err := a.Store.Keys(ctx)
	if a.row != nil {
		rows = append(rows, *a.row)
	}
	return rows, err
}

// A load that failed is soon repeated: meanwhile this node does not know what the others have taken back.
func TestFLT17RunLoadsAgainSoon(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	store := &failing{Store: open()}
	var down atomic.Bool
	ring := newRing(t, options(switched{store, &down}, c))
	ctx, cancel := context.WithCancel(t.Context())
	must(t, ring.Start(ctx))
	_, lost := sign(t, ring, "ES256")
	other := newRing(t, options(open(), c))
	must(t, other.Start(ctx))
	must(t, other.Revoke(ctx, lost, event(signet.EventKeyRevoked)))
	down.Store(true)
	wantCode(t, ring.Reload(ctx), signet.CodeUnavailable)
	down.Store(false)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = ring.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	deadline, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if _, kid := sign(t, ring, "ES256"); kid != lost {
			return
		}
		select {
		case <-deadline:
			t.Fatal("the revoked key still signs")
		case <-tick.C:
		}
	}
}

// switched is a store that can be cut off while it is in use.
type switched struct {
	keys.Store
	down *atomic.Bool
}

func (s switched) Keys(ctx context.Context) ([]signet.Key, error) {
	if s.down.Load() {
		return nil, signet.Unavailable(errors.New("down"))
	}
	return s.Store.Keys(ctx)
}

// A node that slept through a rotation and a revocation makes no key of its own when it wakes, and is up to date after
// its first turn.
func TestROT01NodeThatSlept(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	awake, asleep := newRing(t, options(open(), c)), newRing(t, options(open(), c))
	ctx := context.Background()
	must(t, awake.Start(ctx))
	must(t, asleep.Start(ctx))
	token, old := sign(t, asleep, "ES256")
	c.advance(plan.RotateEvery)
	must(t, keys.KeepUp(awake, ctx))
	c.advance(signLead)
	_, second := sign(t, awake, "ES256")
	must(t, awake.Revoke(ctx, second, event(signet.EventKeyRevoked)))
	c.advance(plan.LongestToken + plan.JWKSMaxAge + plan.Leeway)
	before, err := awake.List(ctx)
	must(t, err)

	must(t, keys.KeepUp(asleep, ctx))
	after, err := awake.List(ctx)
	must(t, err)
	if len(after) != len(before) {
		t.Errorf("%d keys, want %d: the node that woke rotated from what it remembered", len(after), len(before))
	}
	_, kid := sign(t, asleep, "ES256")
	if _, want := sign(t, awake, "ES256"); kid != want || kid == old || kid == second {
		t.Errorf("%s signs, want %s", kid, want)
	}
	_, _, _, err = asleep.Verify(token)
	wantCode(t, err, signet.CodeInvalidToken)
	if string(asleep.JWKS().Body) != string(awake.JWKS().Body) {
		t.Error("two nodes publish different sets")
	}
}

// halfway breaks a rotation before its commit, or loses the answer after it.
type halfway struct {
	keys.Store
	commits bool
	broken  bool
}

func (h *halfway) RotateKey(ctx context.Context, old, next signet.Key, event signet.Event) error {
	if !h.broken {
		return h.Store.RotateKey(ctx, old, next, event)
	}
	if h.commits {
		if err := h.Store.RotateKey(ctx, old, next, event); err != nil {
			return err
		}
	}
	return signet.Unavailable(errors.New("broken off"))
}

// A rotation that failed half-way, by command and by schedule, leaves one signer and is done once in the end.
func TestROT01RotationBrokenOff(t *testing.T) {
	t.Parallel()
	for name, commits := range map[string]bool{"before the commit": false, "after the commit": true} {
		for _, scheduled := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := &clock{now: start}
				store := &halfway{Store: database(t, c)(), commits: commits, broken: true}
				ring := newRing(t, options(store, c))
				ctx := context.Background()
				must(t, ring.Start(ctx))
				_, old := sign(t, ring, "ES256")
				c.advance(plan.RotateEvery - 10*time.Minute)
				if scheduled {
					c.advance(10 * time.Minute)
					wantCode(t, keys.KeepUp(ring, ctx), signet.CodeUnavailable)
				} else {
					_, err := ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
					wantCode(t, err, signet.CodeUnavailable)
					c.advance(10 * time.Minute)
				}
				store.broken = false
				must(t, keys.KeepUp(ring, ctx))
				must(t, keys.KeepUp(ring, ctx))
				if n := len(published(t, ring)); n != 2 {
					t.Errorf("%d keys published, want the old and one new", n)
				}
				c.advance(signLead)
				if _, kid := sign(t, ring, "ES256"); kid == old {
					t.Error("the old key signs on")
				}
			})
		}
	}
}

// Two nodes rotate at once by command: whoever succeeded made a key, whoever did not made none, and one chain stands.
func TestROT01RotateAtOnce(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	nodes := []*keys.Ring{newRing(t, options(open(), c)), newRing(t, options(open(), c))}
	ctx := context.Background()
	for _, node := range nodes {
		must(t, node.Start(ctx))
	}
	var made atomic.Int32
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			_, err := nodes[i%2].Rotate(ctx, "ES256", event(signet.EventKeyRotated))
			switch signet.CodeOf(err) {
			case "":
				made.Add(1)
			case signet.CodeConflict:
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	list, err := nodes[0].List(ctx)
	must(t, err)
	signers, tails := 0, 0
	for _, info := range list {
		if info.Use == signet.KeySigning {
			signers++
			if info.RetireAt == nil {
				tails++
			}
		}
	}
	if signers != 1+int(made.Load()) || tails != 1 {
		t.Errorf("%d signing keys after %d rotations, %d of them without an end", signers, made.Load(), tails)
	}
}

// rotatesFirst is another node that rotates between the look and the act of a revocation.
type rotatesFirst struct {
	keys.Store
	once  sync.Once
	other func()
}

func (r *rotatesFirst) RevokeKey(ctx context.Context, id signet.KeyID, next *signet.Key, rev signet.Revocation, event signet.Event) error {
	r.once.Do(r.other)
	return r.Store.RevokeKey(ctx, id, next, rev, event)
}

// An emergency does not lose against a rotation of the same moment.
func TestROT02AgainstARotation(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	ctx := context.Background()
	other := newRing(t, options(open(), c))
	must(t, other.Start(ctx))
	ring := newRing(t, options(&rotatesFirst{Store: open(), other: func() {
		_, err := other.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
		must(t, err)
	}}, c))
	must(t, ring.Start(ctx))
	_, lost := sign(t, ring, "ES256")
	must(t, ring.Revoke(ctx, lost, event(signet.EventKeyRevoked)))
	if got := state(t, ring, lost); got != signet.KeyRevoked {
		t.Errorf("state %s", got)
	}
	for _, step := range []time.Duration{0, signLead, 24 * time.Hour} {
		c.advance(step)
		if _, kid := sign(t, ring, "ES256"); kid == lost {
			t.Error("the revoked key signs")
		}
	}
	wantCode(t, ring.Revoke(ctx, lost, event(signet.EventKeyRevoked)), signet.CodeConflict)
}

// Clocks of two nodes differ: what the fast one signs, the slow one verifies and has published for a whole max-age.
func TestROT01ClocksDiffer(t *testing.T) {
	t.Parallel()
	slow := &clock{now: start}
	fast := &clock{now: start.Add(plan.Leeway)}
	open := database(t, slow)
	ctx := context.Background()
	one, two := newRing(t, options(open(), slow)), newRing(t, options(open(), fast))
	must(t, one.Start(ctx))
	must(t, two.Start(ctx))
	fast.advance(time.Second)
	slow.advance(time.Second)
	next, err := two.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
	must(t, err)
	must(t, one.Reload(ctx))
	if got := one.JWKS().MaxAge; got != plan.Leeway {
		t.Errorf("max-age %s while a key is planned, want %s", got, plan.Leeway)
	}
	var shownFor time.Duration
	for range 400 {
		token, kid := sign(t, two, "ES256")
		if kid == next {
			if _, _, _, err := one.Verify(token); err != nil {
				t.Errorf("the slow node refuses the new key: %v", err)
			}
			break
		}
		if _, ok := published(t, one)[next]; ok {
			shownFor += time.Second
		}
		fast.advance(time.Second)
		slow.advance(time.Second)
	}
	if shownFor < plan.JWKSMaxAge {
		t.Errorf("the slow node published the key %s before it signed, want %s", shownFor, plan.JWKSMaxAge)
	}
}
