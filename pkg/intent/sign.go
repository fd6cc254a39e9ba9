package intent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// spread is how long the slowest node may take to learn of a new key: it signs from then on where an older one can until
// then, so that no node calls a fresh token invalid.
const spread = 2 * time.Second

// sign makes the token as the account wants it. Errors: CodeUnavailable, CodeInternal.
func (i *Intent) sign(c *call, made *claims) (string, error) {
	payload, err := plainJSON(made)
	if err != nil {
		return "", signet.Internal(err)
	}
	var token string
	switch alg := algOf(c.by.account); alg {
	case algHS256:
		key, err := i.signingKey(c)
		if err != nil {
			return "", err
		}
		token = signHS256(key, payload)
	case signet.AlgES256:
		if token, _, err = i.o.Signer.Sign(alg, typES256, payload); err != nil {
			return "", err
		}
	default:
		return "", &signet.Error{Code: signet.CodeInternal, Reason: "intent_alg", Cause: fmt.Errorf("intent: account %s has algorithm %q", c.by.account.ID, alg)}
	}
	if len(token) > maxToken {
		// It could not be validated; the account's payment methods are too many.
		return "", &signet.Error{Code: signet.CodeInternal, Reason: "intent_too_long", Cause: errors.New("intent: the token is longer than 32 KiB")}
	}
	return token, nil
}

// signingKey opens the key that signs for the account: the newest live one that every node knows, else the newest. An
// account that has no live key gets one here: whoever registers accounts need not think of it.
func (i *Intent) signingKey(c *call) ([]byte, error) {
	var newest, settled *signet.SealedKey
	later := func(a, b *signet.SealedKey) bool { return b == nil || !a.CreatedAt.Before(b.CreatedAt) }
	for n := range c.by.account.Keys {
		key := &c.by.account.Keys[n]
		if key.Use != signet.KeyIntent || !key.Live(c.now) {
			continue
		}
		if later(key, newest) {
			newest = key
		}
		if later(key, settled) && !c.now.Before(key.CreatedAt.Add(spread)) {
			settled = key
		}
	}
	if newest == nil {
		return i.firstKey(c)
	}
	if settled != nil {
		newest = settled
	}
	plain, err := i.o.Keys.OpenRecord(newest)
	if err != nil {
		return nil, signet.Internal(err)
	}
	if len(plain) < minKey {
		return nil, &signet.Error{Code: signet.CodeInternal, Reason: "account_key_short", Cause: fmt.Errorf("intent: key %s is shorter than %d bytes", newest.ID, minKey)}
	}
	return plain, nil
}

// firstKey makes and keeps a key. Its id follows from those that are there, so that of two calls at once one keeps its
// key, and the other is told to come back: by then it finds that key.
func (i *Intent) firstKey(c *call) ([]byte, error) {
	account := c.by.account
	taken := func(id signet.KeyID) bool {
		return slices.ContainsFunc(account.Keys, func(k signet.SealedKey) bool { return k.ID == id })
	}
	n := len(account.Keys) + 1
	id := signet.KeyID("intent-" + strconv.Itoa(n))
	for taken(id) {
		n++
		id = signet.KeyID("intent-" + strconv.Itoa(n))
	}
	plain := make([]byte, minKey)
	_, _ = rand.Read(plain) // it ends the process when the system has no randomness
	key := &signet.SealedKey{ID: id, Owner: signet.OwnerAccount + account.ID, Use: signet.KeyIntent, Alg: algHS256, CreatedAt: c.now}
	i.o.Keys.SealRecord(key, plain)
	event := i.event(c, signet.EventCredentialAdded, signet.OwnerAccount+account.ID, "first_intent")
	event.KeyID = string(id)
	err := i.o.NewKeys.PutSealedKey(c.ctx(), key, event)
	if errors.Is(err, signet.ErrConflict) {
		return nil, &signet.Error{Code: signet.CodeUnavailable, Reason: "account_key_in_the_making", Cause: err}
	}
	return plain, err
}
