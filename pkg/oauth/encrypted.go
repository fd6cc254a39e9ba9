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
	// heldWait bounds one listing.
	heldWait = 2 * time.Second
	// heldPage and heldMost bound one listing.
	heldPage, heldMost = 100, 1000
	// heldTries bounds how many records that share one kid are tried.
	heldTries = 4
)

// heldKeys remembers which records hold the private key of a kid. The records themselves are read anew at each use: a
// disabled or ended key stops here as fast as everywhere.
type heldKeys struct {
	mu      sync.Mutex
	byKID   map[signet.KeyID][]string // ids of resource servers
	listed  time.Time                 // when the last listing ended
	failed  error                     // of the last listing
	running chan struct{}             // closed when the listing that goes on is over; nil: none does
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
// again, at most once in heldEvery, once for all who wait. Nobody with a known kid waits for it.
// Error: CodeUnavailable.
func (s *Server) holders(ctx context.Context, kid signet.KeyID) ([]string, error) {
	h := &s.held
	h.mu.Lock()
	if ids := h.byKID[kid]; len(ids) > 0 {
		h.mu.Unlock()
		return ids, nil
	}
	if since := s.Now().Sub(h.listed); h.running == nil && (h.listed.IsZero() || since >= heldEvery || since < 0) {
		h.running = make(chan struct{})
		// The listing outlives the request that was first: what that caller does must be no answer to the others.
		go s.relist(context.WithoutCancel(ctx))
	}
	running := h.running
	h.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return nil, signet.Unavailable(ctx.Err())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ids := h.byKID[kid]; len(ids) > 0 || h.failed == nil {
		return ids, nil
	}
	return nil, h.failed
}

// relist lists the records and tells those who wait.
func (s *Server) relist(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, heldWait)
	defer cancel()
	found, err := s.listHolders(ctx)
	h := &s.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listed, h.failed = s.Now(), err; err == nil {
		h.byKID = found
	}
	close(h.running)
	h.running = nil
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
