package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// maxJWKSMaxAge is the longest time a cache may keep the public set (design.md, decision 7).
	maxJWKSMaxAge = 900 * time.Second
	// spread is how long the slowest node may take to learn of a new row: changes are polled every 400 ms and trusted
	// for 1 s. A new key is used that much later.
	spread = 2 * time.Second
	// startAttempts bounds how often Start looks again after another node was faster.
	startAttempts = 4
)

// Options are what a Ring needs. Store, Now, KEKs, CurrentKEK and Plan are required.
type Options struct {
	Store Store
	// Records is the home of the keys that belong to records, for Rewrap; nil: there are none.
	Records Records
	// KEKs are the key-encryption keys by id, 32 bytes each; ids have no bar. CurrentKEK seals, the others still open.
	KEKs       map[string][]byte
	CurrentKEK string
	Plan       Plan
	Now        func() time.Time
	Log        *slog.Logger // nil: nothing is logged
	// SigningAlgs are the algorithms of which the ring keeps a key; nil: ES256 and RS256.
	SigningAlgs []string
}

// Ring holds the keys. All methods may be called at once; those without a context never wait for a store.
type Ring struct {
	store   Store
	records Records
	vault   *vault
	plan    Plan
	now     func() time.Time
	log     *slog.Logger
	algs    []string

	// recipients and privates are what Encrypt and Decrypt have parsed, see recipient.go.
	recipients parsed[*recipient]
	privates   parsed[*private]

	// loading keeps two loads from overtaking each other: a slow old answer must not replace a newer one.
	loading sync.Mutex
	stale   atomic.Bool // the last load failed
	current atomic.Pointer[snapshot]
}

// New checks the options and returns an empty Ring; Start fills it.
func New(o Options) (*Ring, error) {
	if o.Store == nil || o.Now == nil {
		return nil, errors.New("keys: Store and Now are required")
	}
	if err := o.Plan.check(); err != nil {
		return nil, err
	}
	vault, err := newVault(o.KEKs, o.CurrentKEK)
	if err != nil {
		return nil, err
	}
	algs := slices.Clone(o.SigningAlgs)
	if algs == nil {
		algs = []string{signet.AlgES256, signet.AlgRS256}
	}
	for _, alg := range algs {
		if !slices.Contains(supportedAlgs(), alg) {
			return nil, fmt.Errorf("keys: signing algorithm %q is not supported", alg)
		}
	}
	slices.Sort(algs)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Ring{store: o.Store, records: o.Records, vault: vault, plan: o.Plan, now: o.Now, log: o.Log, algs: slices.Compact(algs)}
	r.current.Store(newSnapshot(nil, r.plan, r.now()))
	return r, nil
}

// check refuses a plan by which keys would sign before caches know them, or be forgotten too early.
func (p Plan) check() error {
	if p.JWKSMaxAge <= 0 || p.JWKSMaxAge > maxJWKSMaxAge {
		return fmt.Errorf("keys: Plan.JWKSMaxAge is %s, must be above 0 and at most %s", p.JWKSMaxAge, maxJWKSMaxAge)
	}
	if p.LongestToken <= 0 || p.RotateEvery < 0 || p.Leeway < 0 {
		return errors.New("keys: Plan.LongestToken must be above 0, RotateEvery and Leeway not below")
	}
	if p.HintRetention < 0 || p.HintRetention > signet.KeyRetention {
		return fmt.Errorf("keys: Plan.HintRetention is %s, must be 0 to %s", p.HintRetention, signet.KeyRetention)
	}
	return nil
}

func supportedAlgs() []string {
	return []string{signet.AlgES256, signet.AlgRS256, signet.AlgPS256, signet.AlgEdDSA}
}

// Start loads the ring and makes what is missing: the first set of an empty store, or a key of an algorithm that was
// configured since. Several nodes may start at once; one of them makes the set, the others load it. It fails when the
// store does (CodeUnavailable) and when a row cannot be opened: a server with half a ring would refuse good tokens.
func (r *Ring) Start(ctx context.Context) error {
	for range startAttempts {
		if err := r.Reload(ctx); err != nil {
			return err
		}
		added, err := r.missing(r.now())
		if err != nil {
			return signet.Internal(err)
		}
		if len(added) == 0 {
			return nil
		}
		event := signet.Event{Kind: signet.EventKeyCreated, Actor: "system", Reason: "missing_at_start"}
		for i := range added {
			event.Target += " " + string(added[i].ID)
		}
		err = r.store.InsertKeys(ctx, added, true, r.complete(event, added[0].ID))
		if err != nil && !errors.Is(err, signet.ErrConflict) {
			return fmt.Errorf("keys: write the first set: %w", err)
		}
	}
	return signet.Internal(errors.New("keys: other nodes keep changing the ring; giving up"))
}

// missing makes keys for every use and algorithm that has none. The first signing keys of an empty ring sign at once,
// since no cache can hold a set without them; a key of a new algorithm beside older ones is published first.
func (r *Ring) missing(now time.Time) ([]signet.Key, error) {
	have := r.view()
	first := !have.has(func(k *signet.Key) bool { return k.Use == signet.KeySigning })
	var wanted []signet.Key
	for _, use := range symmetricUses() {
		if have.tail(use, "") == nil {
			wanted = append(wanted, r.plannedKey(use, "", now, now))
		}
	}
	for _, alg := range r.algs {
		if have.tail(signet.KeySigning, alg) != nil {
			continue
		}
		activate := now
		if !first {
			activate = now.Add(r.lead(signet.KeySigning))
		}
		wanted = append(wanted, r.plannedKey(signet.KeySigning, alg, now, activate))
	}
	return wanted, r.fill(wanted)
}

// fill gives keys their sealed private parts. They are made side by side: an RSA key takes 0.1 s and more.
func (r *Ring) fill(wanted []signet.Key) error {
	var group sync.WaitGroup
	failed := make([]error, len(wanted))
	for i := range wanted {
		group.Go(func() {
			key := &wanted[i]
			plain, err := newMaterial(key.Use, key.Alg)
			if err != nil {
				failed[i] = err
				return
			}
			key.Sealed, key.KEKID = r.vault.seal(ringBinding(key), plain)
			clear(plain)
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

// Reload reads the ring again: call it after a change notice. When the store fails the ring goes on with the keys it has
// (their times still hold), and Run tries again. When single rows cannot be opened it takes all others, and the times of
// those that it has opened before: a key that was retired or revoked must not go on signing here because its successor
// does not open. Errors: CodeUnavailable, CodeInternal when a row cannot be opened.
func (r *Ring) Reload(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	err := r.load(ctx)
	r.stale.Store(err != nil)
	return err
}

func (r *Ring) load(ctx context.Context) error {
	rows, err := r.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("keys: load: %w", err)
	}
	now := r.now()
	known := make(map[signet.KeyID]*opened)
	for _, key := range r.current.Load().keys {
		known[key.ID] = key
	}
	keys := make([]*opened, 0, len(rows))
	var unopened []error
	for i := range rows {
		row := &rows[i]
		before := known[row.ID]
		delete(known, row.ID)
		if r.plan.forgotten(row, now) {
			continue
		}
		key, err := r.open(row, before)
		if err != nil {
			unopened = append(unopened, err)
			continue
		}
		keys = append(keys, key)
	}
	if len(unopened) > 0 {
		// The row may be one of these under another name: nothing that worked is given up for it.
		keys = slices.AppendSeq(keys, maps.Values(known))
	}
	r.current.Store(newSnapshot(keys, r.plan, now))
	if err := errors.Join(unopened...); err != nil {
		return signet.Internal(err)
	}
	return nil
}

// open returns a row with its private part; what was opened before is not opened again. A running node keeps the
// private part that it has when the row does not open any more: somebody altered the row, or sealed it anew under a
// key-encryption key that this node was not given. Only a start fails on that.
func (r *Ring) open(row *signet.Key, before *opened) (*opened, error) {
	if before != nil && before.Use == row.Use && before.Alg == row.Alg && before.KEKID == row.KEKID && bytes.Equal(before.Sealed, row.Sealed) {
		return before.as(row), nil
	}
	key, err := r.unseal(row)
	if err != nil && before != nil {
		r.log.Error("a key does not open any more; going on with what was opened before", "key_id", row.ID, "error", err)
		return before.as(row), nil
	}
	return key, err
}

func (r *Ring) unseal(row *signet.Key) (*opened, error) {
	plain, err := r.vault.openRing(row)
	if err != nil {
		return nil, err
	}
	return newOpened(row, plain)
}

// view returns the snapshot that is true now, made anew when a key has changed its state since.
func (r *Ring) view() *snapshot {
	for {
		have := r.current.Load()
		now := r.now()
		if have.holds(now) {
			return have
		}
		next := newSnapshot(have.keys, r.plan, now)
		// Not a plain store: a load that ended meanwhile is newer and must stay.
		if r.current.CompareAndSwap(have, next) {
			return next
		}
	}
}

// SigningAlgs returns the algorithms that have an active key, sorted.
func (r *Ring) SigningAlgs() []string { return slices.Clone(r.view().algs) }

// HashKeys returns the keys that hash generated secrets. The map is shared: read only.
func (r *Ring) HashKeys() signet.HashKeys { return r.view().hash }

// RotationKey returns the key that computes successors of refresh tokens: the named one, or the current one for "". It
// is false for a key that is not here.
func (r *Ring) RotationKey(id signet.KeyID) (signet.KeyID, []byte, bool) {
	have := r.view()
	if id == "" {
		id = have.rotation.Current
	}
	key, ok := have.rotation.Keys[id]
	return id, key, ok
}

// CodeKeys returns the key of new authorization codes and those of codes that may still be presented.
func (r *Ring) CodeKeys() (current []byte, older [][]byte) {
	have := r.view()
	return have.codes[0], have.codes[1:]
}
