package oauth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// jweDots is the number of dots of a compact JWE (RFC 7516 §7.1); a JWS has two.
const jweDots = 4

const (
	// heldEvery is how often the records are listed at most, so that JWEs with invented kids cost no SQL each.
	heldEvery = time.Second
	// heldPage and heldMost bound one listing.
	heldPage, heldMost = 100, 1000
	// heldTries bounds how many records that share one kid are tried.
	heldTries = 4
)

// heldKeys remembers which records hold the private key of a kid. The records themselves are read anew at each use: a
// disabled or ended key stops here as fast as everywhere.
type heldKeys struct {
	mu     sync.Mutex
	byKID  map[signet.KeyID][]string // ids of resource servers
	listed time.Time
	failed error // of the last listing
}

// openEncrypted returns what is inside a JWE whose key signet holds. It proves nothing: whoever knows the public key can
// have made it. Errors: CodeInvalidToken, CodeUnavailable.
func (s *Server) openEncrypted(ctx context.Context, raw string) (string, error) {
	if s.ResourceServers == nil {
		return "", invalidToken("token_encrypted")
	}
	kid, ok := s.Keys.JWEKeyID(raw)
	if !ok {
		return "", invalidToken("token_encryption")
	}
	ids, err := s.holders(ctx, kid)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		record, err := s.ResourceServers.ResourceServer(ctx, id)
		if errors.Is(err, signet.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		if inner, err := s.Keys.Decrypt(record, raw); err == nil {
			return inner, nil
		}
	}
	return "", invalidToken("token_encryption")
}

// holders returns the records that hold the key, at most heldTries. An unknown kid may be new: then the records are listed
// again, at most once in heldEvery.
func (s *Server) holders(ctx context.Context, kid signet.KeyID) ([]string, error) {
	h := &s.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if ids := h.byKID[kid]; len(ids) > 0 {
		return ids, nil
	}
	now := s.Now()
	if since := now.Sub(h.listed); h.listed.IsZero() || since >= heldEvery || since < 0 {
		h.listed = now
		found, err := s.listHolders(ctx)
		if h.failed = err; err == nil {
			h.byKID = found
		}
	}
	if h.failed != nil {
		return nil, h.failed
	}
	return h.byKID[kid], nil
}

func (s *Server) listHolders(ctx context.Context) (map[signet.KeyID][]string, error) {
	found := make(map[signet.KeyID][]string)
	after := ""
	for range heldMost / heldPage {
		page, err := s.ResourceServers.ListResourceServers(ctx, after, heldPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			record := &page[i]
			after = record.ID
			for j := range record.Keys {
				kid := record.Keys[j].ID
				if record.Keys[j].Use == signet.KeyDecrypt && len(found[kid]) < heldTries {
					found[kid] = append(found[kid], record.ID)
				}
			}
		}
		if len(page) < heldPage {
			break
		}
	}
	return found, nil
}
