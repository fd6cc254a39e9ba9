package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// heard is how long another node may take to obey.
const heard = time.Second

// What one node is told the other obeys within a second, from the first request after it.
func TestOtherNodeObeys(t *testing.T) {
	t.Parallel()
	redis := e2e.StartRedis(t).Addr
	w := newWorld(t, e2e.NewDatabase(t), redis, 2)

	t.Run("user disabled", func(t *testing.T) {
		u := w.newUser("disabled")
		had := w.session(w.one, u)
		w.admin(w.one, http.MethodPost, "/users/"+u.Sub+"/disable", nil, nil)
		w.refusedSoon(t, w.two, u, had)
	})
	t.Run("password changed", func(t *testing.T) {
		u := w.newUser("changed")
		had := w.session(w.one, u)
		w.admin(w.one, http.MethodPut, "/users/"+u.Sub+"/password", map[string]any{"password": "another horse, another staple"}, nil)
		w.refusedSoon(t, w.two, u, had)
	})
	t.Run("key rotated", func(t *testing.T) {
		var made struct {
			KIDs []string `json:"kids"`
		}
		w.admin(w.one, http.MethodPost, "/keys/rotate", map[string]any{"alg": "ES256"}, &made)
		if len(made.KIDs) != 1 {
			t.Fatalf("rotation made %v", made.KIDs)
		}
		eventually(t, heard, "the new key is in the other node's set", func() bool {
			got := w.get(w.two.URL + jwksPath)
			return got.Status == http.StatusOK && strings.Contains(string(got.Body), made.KIDs[0])
		})
	})
	t.Run("client disabled", func(t *testing.T) {
		if got := w.machine(w.two); !got.ok() {
			t.Fatalf("before: %d %s", got.Status, got.Body)
		}
		w.admin(w.one, http.MethodPost, "/clients/"+w.service.ClientID+"/disable", nil, nil)
		eventually(t, heard, "the other node refuses the client", func() bool { return w.machine(w.two).tokens().Error == "invalid_client" })
	})
}

// refusedSoon wants an end of everything that the user's login gave. The refresh token is tried once, after the access
// token's end was seen: one try that comes too early would spend it.
func (w *world) refusedSoon(t *testing.T, n *e2e.Node, u login, had tokens) {
	t.Helper()
	began := time.Now()
	eventually(t, heard, "the access token is not active", func() bool {
		got := w.introspect(n, had.Access)
		return got.Status == http.StatusOK && !got.tokens().Active
	})
	if got := w.refresh(n, had.Refresh); got.tokens().Error != "invalid_grant" {
		t.Errorf("refresh after %s: %d %s", time.Since(began), got.Status, got.Body)
	}
	eventually(t, heard, "no silent code", func() bool { code, _ := w.code(n, u); return code == "" })
}
