package keys

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

// PublicSet is the JWKS (RFC 7517 §5) as it goes on the wire.
type PublicSet struct {
	Body []byte // shared: read only
	// ETag is a strong validator with its quotes (RFC 9110 §8.8.3).
	ETag string
	// MaxAge is how long a cache may keep the body: whole seconds, never past the next planned publication.
	MaxAge time.Duration
}

// JWKS returns the public set: published, active and retiring keys. It needs no store.
func (r *Ring) JWKS() PublicSet {
	have := r.view()
	set := have.public
	if !have.publishes.IsZero() {
		left := have.publishes.Sub(r.now()).Truncate(time.Second)
		set.MaxAge = min(set.MaxAge, max(left, time.Second))
	}
	return set
}

// publicJWK returns the public half of a signing key as a JWK.
func publicJWK(key *opened) ([]byte, error) {
	public := jose.JSONWebKey{Key: key.signer.Public(), KeyID: string(key.ID), Algorithm: key.Alg, Use: "sig"}
	if !public.IsPublic() {
		return nil, errors.New("not a public key")
	}
	return public.MarshalJSON()
}

// publicSet writes the set in an order that depends on the keys alone, so that all nodes send the same bytes.
func (s *snapshot) publicSet(plan Plan, now time.Time) PublicSet {
	var shown []*opened
	for _, key := range s.keys {
		if key.Use != signet.KeySigning {
			continue
		}
		switch key.State(now) {
		case signet.KeyPublished, signet.KeyActive, signet.KeyRetiring:
			shown = append(shown, key)
		}
	}
	slices.SortStableFunc(shown, func(a, b *opened) int { return cmp.Compare(a.Alg, b.Alg) })
	parts := make([][]byte, len(shown))
	for i, key := range shown {
		parts[i] = key.jwk
	}
	var body bytes.Buffer
	body.WriteString(`{"keys":[`)
	body.Write(bytes.Join(parts, []byte(",")))
	body.WriteString(`]}`)
	sum := sha256.Sum256(body.Bytes())
	return PublicSet{
		Body:   body.Bytes(),
		ETag:   `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
		MaxAge: plan.JWKSMaxAge.Truncate(time.Second),
	}
}

// nextPublication is the next time at which a key joins the public set by plan: a planned key, or the next scheduled
// rotation, which publishes its new key at once. One that is overdue counts as not planned.
func (s *snapshot) nextPublication(plan Plan, now time.Time) time.Time {
	var next time.Time
	consider := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, key := range s.keys {
		if key.Use != signet.KeySigning || key.RevokedAt != nil {
			continue
		}
		consider(key.PublishAt)
		if plan.RotateEvery > 0 && key.RetireAt == nil {
			consider(key.ActivateAt.Add(plan.RotateEvery))
		}
	}
	return next
}
