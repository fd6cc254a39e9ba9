package sqlstore

import (
	"encoding/json"

	"github.com/signet-auth/signet/pkg/signet"
)

// secretHash reads a keyed hash back from its two columns.
func secretHash(keyID string, sum []byte) (h signet.SecretHash) {
	if len(sum) != len(h.Sum) {
		return signet.SecretHash{}
	}
	h.KeyID = signet.KeyID(keyID)
	copy(h.Sum[:], sum)
	return h
}

// sums are what a look-up by hash searches: one for each hashing key that may have made it.
func sums(hashes []signet.SecretHash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i].Sum[:]
	}
	return out
}

// toJSON writes what nothing searches. The values are our own structs of strings, numbers and times: they always encode.
func toJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "null"
	}
	return string(text)
}

// fromJSON reads it back. A text that does not decode was not written by signet: CodeInternal.
func fromJSON(text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return signet.Internal(err)
	}
	return nil
}
