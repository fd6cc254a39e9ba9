package keys

import (
	"context"
	"errors"

	"github.com/signet-auth/signet/pkg/signet"
)

// KeepUp is one turn of Run, without its clock.
func KeepUp(r *Ring, ctx context.Context) error { return r.keepUp(ctx) }

// Parses reports whether an Encrypt to the record would have to parse its key.
func Parses(r *Ring, rs *signet.ResourceServer) (parses bool) {
	alg, enc, _ := algorithms(rs)
	_, _ = r.recipients.of(recipientName(rs, alg, enc), rs.JWK, func() (*recipient, error) {
		parses = true
		return nil, errors.New("parsed")
	})
	return parses
}

// SealKey seals plain as the private part of a row that no Ring of this version writes.
func SealKey(r *Ring, key *signet.Key, plain []byte) {
	key.Sealed, key.KEKID = r.vault.seal(ringBinding(key), plain)
}
