package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// lead is how long a new key waits between its row and its first use: all nodes must have it, and for signing keys
// every cache of the public set must have come back once.
func (r *Ring) lead(use signet.KeyUse) time.Duration {
	wait := spread + r.plan.Leeway
	if use == signet.KeySigning {
		wait += r.plan.JWKSMaxAge
	}
	return wait
}

// plannedKey returns a key without its private part.
func (r *Ring) plannedKey(use signet.KeyUse, alg string, publish, activate time.Time) signet.Key {
	return signet.Key{ID: signet.NewKeyID(), Use: use, Alg: alg, CreatedAt: publish, PublishAt: publish, ActivateAt: activate}
}

// retire ends a key's active time. Hash and rotation keys stay for good: rows that name them (client secrets, unspent
// refresh tokens) have no common end.
func (r *Ring) retire(key *signet.Key, at time.Time) {
	key.RetireAt = &at
	if key.Use == signet.KeyHash || key.Use == signet.KeyRotation {
		return
	}
	remove := at.Add(r.plan.LongestToken + r.plan.JWKSMaxAge + r.plan.Leeway)
	key.RemoveAt = &remove
}

// turn is how often Run looks. A load that failed is repeated as soon: until it succeeds, this node does not know of keys
// that others use after spread, or have taken back.
const turn = time.Second

// Run rotates on schedule until ctx ends, and loads the ring again when a load had failed. All nodes may run it: the
// store lets one of them rotate. It returns nil.
func (r *Ring) Run(ctx context.Context) error {
	ticker := time.NewTicker(turn)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			err := r.keepUp(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				r.log.Error("key ring", "error", err)
			}
			failing = err != nil
		}
	}
}

// keepUp does what is due now.
func (r *Ring) keepUp(ctx context.Context) error {
	if r.stale.Load() {
		if err := r.Reload(ctx); err != nil {
			return err
		}
	}
	for _, old := range r.due(r.now()) {
		event := signet.Event{Kind: signet.EventKeyRotated, Actor: "system", Reason: "scheduled"}
		_, err := r.rotate(ctx, old.Use, old.Alg, old, event)
		if err != nil && !errors.Is(err, signet.ErrConflict) {
			return err
		}
	}
	return nil
}

// due returns the keys whose time is over by the schedule. Hash and rotation keys change by command alone: each of
// them makes every look-up by hash one candidate longer for ever.
func (r *Ring) due(now time.Time) []*opened {
	if r.plan.RotateEvery == 0 {
		return nil
	}
	have := r.view()
	tails := []*opened{have.tail(signet.KeyCode, ""), have.tail(signet.KeyFlow, "")}
	for _, alg := range r.algs {
		tails = append(tails, have.tail(signet.KeySigning, alg))
	}
	return slices.DeleteFunc(tails, func(key *opened) bool {
		return key == nil || now.Before(key.ActivateAt.Add(r.plan.RotateEvery))
	})
}

// Rotate starts the change to a new key: it is published now and signs one max-age later, when the old one retires.
// name is a JWS algorithm, or hash, rotation, code or flow. Errors: CodeInvalidRequest for another name, CodeConflict
// when another node was faster, CodeUnavailable.
func (r *Ring) Rotate(ctx context.Context, name string, event signet.Event) (signet.KeyID, error) {
	use, alg := signet.KeyUse(name), ""
	switch {
	case slices.Contains(supportedAlgs(), name):
		use, alg = signet.KeySigning, name
	case !slices.Contains(symmetricUses(), use):
		return "", signet.NewError(signet.CodeInvalidRequest, "There is no such key.", "key_name")
	}
	// What this node knows may be a second old; the rotation must start from what is.
	if err := r.Reload(ctx); err != nil {
		return "", err
	}
	return r.rotate(ctx, use, alg, r.view().tail(use, alg), event)
}

// rotate writes the successor of old (nil: the first key of an algorithm).
func (r *Ring) rotate(ctx context.Context, use signet.KeyUse, alg string, old *opened, event signet.Event) (signet.KeyID, error) {
	now := r.now()
	made := []signet.Key{r.plannedKey(use, alg, now, now.Add(r.lead(use)))}
	if err := r.fill(made); err != nil {
		return "", signet.Internal(err)
	}
	next := made[0]
	event = r.complete(event, next.ID)
	var err error
	if old == nil {
		err = r.store.InsertKeys(ctx, made, true, event)
	} else {
		event.Target = string(old.ID)
		retired := old.Key
		r.retire(&retired, next.ActivateAt)
		err = r.store.RotateKey(ctx, retired, next, event)
	}
	if err != nil && !errors.Is(err, signet.ErrConflict) {
		return "", fmt.Errorf("keys: rotate: %w", err)
	}
	// On a conflict too: another node's key is what must be known now.
	if loadErr := r.Reload(ctx); loadErr != nil && err == nil {
		r.log.Error("key ring", "error", loadErr) // the rotation stands; Run loads again
	}
	if err != nil {
		return "", fmt.Errorf("keys: rotate: %w", err)
	}
	return next.ID, nil
}

// Revoke takes a key back at once (emergency): it leaves the public set, nothing it signed verifies any more, and a
// successor signs from now on. Errors: CodeNotFound, CodeConflict when it was revoked before, CodeUnavailable.
func (r *Ring) Revoke(ctx context.Context, id signet.KeyID, event signet.Event) error {
	var err error
	for range startAttempts {
		var again bool
		if again, err = r.revoke(ctx, id, event); !again {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := r.Reload(ctx); err != nil {
		return fmt.Errorf("keys: revoked, but this node could not load the ring: %w", err)
	}
	return nil
}

// revoke is one attempt. again is true when another node rotated between the look and the act: the successor that was
// made here has no place any more, and an emergency cannot wait for an operator to try anew.
func (r *Ring) revoke(ctx context.Context, id signet.KeyID, event signet.Event) (again bool, err error) {
	rows, err := r.store.Keys(ctx)
	if err != nil {
		return false, fmt.Errorf("keys: revoke: %w", err)
	}
	at := slices.IndexFunc(rows, func(key signet.Key) bool { return key.ID == id })
	if at < 0 {
		return false, signet.NewError(signet.CodeNotFound, "There is no such key.", "key_unknown")
	}
	lost := &rows[at]
	now := r.now()
	if lost.RevokedAt != nil {
		return false, signet.NewError(signet.CodeConflict, "The key is revoked already.", "key_revoked")
	}
	next, err := r.replacement(lost, now)
	if err != nil {
		return false, signet.Internal(err)
	}
	event = r.complete(event, id)
	if next != nil {
		event.Target = string(next.ID)
	}
	revocation := signet.Revocation{
		Kind: signet.RevokedKey, Subject: string(id), At: now, Reason: event.Reason,
		ExpiresAt: now.Add(r.plan.LongestToken + r.plan.JWKSMaxAge + r.plan.Leeway),
	}
	if err := r.store.RevokeKey(ctx, id, next, revocation, event); err != nil {
		return errors.Is(err, signet.ErrConflict), fmt.Errorf("keys: revoke: %w", err)
	}
	return false, nil
}

// replacement is the key that takes over from a revoked one: nil when the revoked key would not sign any more. A key
// that was to follow the revoked one keeps its time, and the replacement fills the gap until then.
func (r *Ring) replacement(lost *signet.Key, now time.Time) (*signet.Key, error) {
	state := lost.State(now)
	if state == signet.KeyRetiring || state == signet.KeyGone {
		return nil, nil
	}
	activate := now
	if lost.ActivateAt.After(now) {
		activate = lost.ActivateAt
	}
	made := []signet.Key{r.plannedKey(lost.Use, lost.Alg, now, activate)}
	if lost.RetireAt != nil {
		r.retire(&made[0], *lost.RetireAt)
	}
	if err := r.fill(made); err != nil {
		return nil, err
	}
	return &made[0], nil
}

// complete fills in what every event of the ring has.
func (r *Ring) complete(event signet.Event, id signet.KeyID) signet.Event {
	if event.ID == "" {
		event.ID = signet.NewEventID()
	}
	if event.At.IsZero() {
		event.At = r.now()
	}
	event.KeyID = string(id)
	event.Target = strings.TrimSpace(event.Target)
	return event
}

// List returns every key of the store with its state now, oldest first. Error: CodeUnavailable.
func (r *Ring) List(ctx context.Context) ([]signet.KeyInfo, error) {
	rows, err := r.store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: list: %w", err)
	}
	now := r.now()
	list := make([]signet.KeyInfo, 0, len(rows))
	for i := range rows {
		key := &rows[i]
		list = append(list, signet.KeyInfo{
			ID: key.ID, Use: key.Use, Alg: key.Alg, State: key.State(now), CreatedAt: key.CreatedAt,
			ActivateAt: key.ActivateAt, RetireAt: key.RetireAt, RemoveAt: key.RemoveAt,
		})
	}
	return list, nil
}
