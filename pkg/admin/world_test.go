package admin_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/account"
	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/pinlogin"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// world is the room on a real store, behind the real HTTP kit.
type world struct {
	t       *testing.T
	file    string // of the database
	room    *admin.Admin
	store   *sqlstore.Store
	ring    *keys.Ring
	handler http.Handler
	key     string
	keyID   string
	ca      *authority      // of partners' certificates
	catKeys json.RawMessage // of the CAT deployment that this one believes
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, false)
}

// newWorldOf makes a world; dev as in signet dev. change alters what it is wired with.
func newWorldOf(t *testing.T, dev bool, change ...func(*admin.Contracts)) *world {
	t.Helper()
	w := newWorldAt(t, filepath.Join(t.TempDir(), "a.db"), dev, change...)
	id, key, err := w.room.FirstKey(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	w.keyID, w.key = id, key.Reveal()
	return w
}

// newWorldAt is a room over that database, without an admin key.
func newWorldAt(t *testing.T, file string, dev bool, change ...func(*admin.Contracts)) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.DriverSQLite, DSN: file,
		Now: time.Now, Node: signet.NewNodeID(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.New(keys.Options{Store: store, KEKs: map[string][]byte{"k": make([]byte, 32)}, CurrentKEK: "k", Now: time.Now, Log: log,
		Plan: keys.Plan{JWKSMaxAge: 15 * time.Minute, LongestToken: 24 * time.Hour, HintRetention: 90 * 24 * time.Hour, Leeway: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	passwords, err := login.NewPasswords(login.PasswordsOptions{Workers: 2, Queue: 8})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, file: file, store: store, ring: ring, ca: newAuthority(t)}
	contracts := contractsOf(store, ring, dev)
	contracts.Partners = w.partners()
	for _, alter := range change {
		alter(&contracts)
	}
	w.room, err = admin.New(admin.Options{Clients: store, Users: store, UserActs: store, AdminKeys: store, Keys: ring, Passwords: passwords,
		Audit: store, HashKeys: ring.HashKeys, SigningAlgs: ring.SigningAlgs, Contracts: contracts, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w.handler, err = web.New(web.Options{Routes: w.room.Routes(), Log: log, Now: time.Now, Limits: web.Limits{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// contractsOf are the registers of the contracts with the judgements of their real rooms.
func contractsOf(store *sqlstore.Store, ring *keys.Ring, dev bool) admin.Contracts {
	return admin.Contracts{Billers: store, ResourceServers: store, SealedKeys: store, Sealer: ring, Accounts: store, Members: store,
		APIKeys: store, Devices: store, PINApplications: store, CheckScheme: exchange.CheckScheme, CheckPIN: pinlogin.CheckMetadata,
		PINClient: pinlogin.ClientFor, Roles: func() []string { return slices.Sorted(maps.Keys(account.DefaultRoles())) }, Dev: dev}
}

// send sends one request with the admin key; headers are name, value pairs that replace what is sent otherwise.
func (w *world) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	req := httptest.NewRequest(method, "http://admin.test"+path, strings.NewReader(body))
	req.URL.Host, req.URL.Scheme = "", ""
	req.RemoteAddr = "192.0.2.7:1234"
	req.Header.Set("Authorization", "Bearer "+w.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res := httptest.NewRecorder()
	w.handler.ServeHTTP(res, req)
	return res
}

// want sends and decodes, and fails on another status.
func (w *world) want(status int, method, path, body string, headers ...string) map[string]any {
	w.t.Helper()
	res := w.send(method, path, body, headers...)
	if res.Code != status {
		w.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, res.Code, status, res.Body)
	}
	var out map[string]any
	if res.Body.Len() > 0 {
		if err := json.Unmarshal(res.Body.Bytes(), &out); err != nil {
			w.t.Fatalf("%s %s: %v: %s", method, path, err, res.Body)
		}
	}
	return out
}

const (
	webClient = `{"client_id":"shop","client_name":"Shop","redirect_uris":["https://shop.example/cb"],"scope":"openid"}`
	oneUser   = `{"username":"alice","email":"alice@example.com","password":"correct horse"}`
)
