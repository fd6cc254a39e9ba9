package keys

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Store is the home of the ring's keys. Errors: CodeNotFound, CodeConflict, CodeUnavailable.
type Store interface {
	// Keys returns every key, oldest first, revoked ones too, and those that are gone for signet.KeyRetention after
	// RemoveAt: they still verify an id_token_hint.
	Keys(ctx context.Context) ([]signet.Key, error)
	// InsertKeys writes keys with the event in one transaction and numbers the change. When onlyIfNone is true it writes
	// nothing and returns CodeConflict if a key of the same use and algorithm exists: two nodes that start at once on an
	// empty database make one set.
	InsertKeys(ctx context.Context, added []signet.Key, onlyIfNone bool, event signet.Event) error
	// RotateKey retires old (RetireAt, RemoveAt as given in it) and inserts next, in one transaction, only if old has not
	// been retired before (else CodeConflict: another node was faster).
	RotateKey(ctx context.Context, old signet.Key, next signet.Key, event signet.Event) error
	// RevokeKey takes a key back at once: RevokedAt, a journal row of kind key, and next as an already active successor.
	RevokeKey(ctx context.Context, id signet.KeyID, next *signet.Key, rev signet.Revocation, event signet.Event) error
	// ResealKey replaces the sealed bytes and KEK id (key rewrap), only where the old KEK id still stands.
	ResealKey(ctx context.Context, id signet.KeyID, oldKEK string, sealed []byte, newKEK string) error
}

// Records is the home of the sealed keys that belong to one record each. Errors: CodeNotFound, CodeConflict,
// CodeUnavailable.
type Records interface {
	// SealedKeys returns every sealed key of every owner, ended ones too.
	SealedKeys(ctx context.Context) ([]signet.SealedKey, error)
	// ResealRecord replaces the sealed bytes and KEK id (key rewrap), only where the old KEK id still stands.
	ResealRecord(ctx context.Context, owner string, id signet.KeyID, oldKEK string, sealed []byte, newKEK string) error
}

// Plan holds the times of decision 7.
type Plan struct {
	JWKSMaxAge    time.Duration // published this long before signing; ≤ 900 s
	RotateEvery   time.Duration // scheduled rotation; 0: never
	LongestToken  time.Duration // longest lifetime of anything signed
	HintRetention time.Duration // keys still verify an id_token_hint this long after retiring (90 days)
	Leeway        time.Duration
}
