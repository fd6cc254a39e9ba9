package account_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
	"github.com/signet-auth/signet/storage/storagetest"
)

// KEY-02: two nodes on one database serve a key's calls while it is disabled at one of them. The other serves it for at
// most a second more, and after that nobody does.
func TestKEY02(t *testing.T) {
	t.Parallel()
	here, there := nodes(t)
	here.client("rp", origin)
	here.user("alice")
	here.account("acme", "alice", "account-owner")
	key := here.key("acme", "till", "merchant-terminal")
	there.want(200, "GET", probe, "", "X-Api-Key", key)

	var revoked atomic.Int64 // when the answer to the disabling was there, in ns
	last := [2]time.Time{}   // the last 200 of each node
	served := [2]int{}
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for i, w := range []*world{here, there} {
		callers.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				switch res := w.send("GET", probe, "", "X-Api-Key", key); res.Code {
				case 200:
					last[i] = time.Now()
					served[i]++
				case 401, 429:
					if revoked.Load() == 0 && last[i].IsZero() {
						t.Errorf("node %d refused the key before it was disabled", i)
					}
				default:
					t.Errorf("node %d: %d %s", i, res.Code, res.Body)
				}
			}
		})
	}
	<-time.After(300 * time.Millisecond) // the load itself, no synchronisation
	here.want(200, "PUT", "/api/accounts/acme/api-keys/till", `{"enabled":false}`, as("alice")...)
	revoked.Store(time.Now().UnixNano())
	<-time.After(2 * time.Second)
	close(stop)
	callers.Wait()
	for i := range last {
		if late := last[i].Sub(time.Unix(0, revoked.Load())); late > time.Second || served[i] == 0 {
			t.Errorf("node %d served %d calls, the last one %s after the answer", i, served[i], late)
		}
	}
	if last[0].After(time.Unix(0, revoked.Load()).Add(50 * time.Millisecond)) {
		t.Errorf("the node that disabled the key served it on")
	}
}

// nodes are two of one database that hear of each other's changes.
func nodes(t *testing.T) (here, there *world) {
	t.Helper()
	database := storagetest.Postgres()
	dsn := database.New(t)
	node := func() *world {
		store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: database.Driver, DSN: dsn, Now: time.Now, Node: signet.NewNodeID(), Log: nullLog()})
		must(t, err)
		must(t, store.Migrate(t.Context()))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = store.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			<-ended
			_ = store.Close()
		})
		return newRoom(t, store, &clock{at: start})
	}
	return node(), node()
}

// Who manages accounts goes through a balancer from one node to another: an account that the one has made a moment ago is
// there at the other, and so is its owner.
func TestManagerChangesNodes(t *testing.T) {
	t.Parallel()
	here, there := nodes(t)
	here.client("rp", origin)
	for i := range 4 {
		user := fmt.Sprint("user", i)
		here.user(user)
		there.bearers["token-of-"+user] = here.bearers["token-of-"+user]
		there.want(200, "GET", "/api/account-memberships", "", as(user)...)
		made := object(t, here.want(201, "POST", "/api/accounts", `{"name":"Ann","type":"individual"}`, as(user)...))
		path := fmt.Sprint("/api/accounts/", made["id"])
		there.want(200, "PUT", path, `{"name":"Ann B."}`, as(user)...)
		here.want(201, "POST", path+"/api-keys", `{"name":"till","role":"merchant-terminal"}`, as(user)...)
		there.want(200, "PUT", path+"/api-keys/till", `{"enabled":false}`, as(user)...)
	}
}
