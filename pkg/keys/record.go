package keys

import "github.com/signet-auth/signet/pkg/signet"

// SealRecord seals plain as the private part of a record's key and sets Sealed and KEKID. Owner, ID, Use and Alg must be
// final: they are bound, so that the sealed bytes open in no other row and for no other use.
func (r *Ring) SealRecord(key *signet.SealedKey, plain []byte) {
	key.Sealed, key.KEKID = r.vault.seal(recordBinding(key), plain)
}

// OpenRecord returns what SealRecord was given for the same row. Error: CodeInternal when it does not open: the row was
// altered, or sealed under a key-encryption key that this node was not given.
func (r *Ring) OpenRecord(key *signet.SealedKey) ([]byte, error) {
	plain, err := r.vault.openRecord(key)
	if err != nil {
		return nil, signet.Internal(err)
	}
	return plain, nil
}
