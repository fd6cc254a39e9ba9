package pinlogin

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// shelf stands in for what the store does not have yet.
type shelf struct {
	*sqlstore.Store
	mu    sync.Mutex
	apps  map[string]*signet.PINApplication
	spent map[string]bool
}

func (s *shelf) PINApplication(_ context.Context, name string) (*signet.PINApplication, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if app := s.apps[name]; app != nil {
		return app, nil
	}
	return nil, signet.ErrNotFound
}

func (s *shelf) PINApplicationByID(_ context.Context, id signet.ClientID) (*signet.PINApplication, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, app := range s.apps {
		if app.ID == id {
			return app, nil
		}
	}
	return nil, signet.ErrNotFound
}

func (s *shelf) InsertPINApplication(ctx context.Context, app *signet.PINApplication, client *signet.Client, user *signet.User, _ []signet.SealedKey, event signet.Event) error {
	if err := s.InsertClient(ctx, client, event); err != nil {
		return err
	}
	event.ID = signet.NewEventID()
	if err := s.InsertUser(ctx, user, event); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[app.Username] = app
	return nil
}

func (s *shelf) Spend(_ context.Context, space, key, owner string, _ *time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent[space+key] {
		return signet.ErrUsed
	}
	s.spent[space+key] = true
	return nil
}

// InsertGrant writes a grant by the way of codes.
func (s *shelf) InsertGrant(ctx context.Context, grant *signet.Grant) error {
	return s.IssueCode(ctx, grant, &signet.AuthorizationCode{Hash: signet.SecretHash{KeyID: "x", Sum: sha256.Sum256([]byte(grant.ID))},
		GrantID: grant.ID, ClientID: grant.ClientID, CreatedAt: grant.CreatedAt, ExpiresAt: grant.CreatedAt})
}
