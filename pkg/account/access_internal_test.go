package account

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A route that does not say what it needs must not start (KEY-07: deny by default).
func TestKEY07RouteWithoutNeed(t *testing.T) {
	t.Parallel()
	serve := func(*call) error { return nil }
	const on, off = pathAccount, "/api/things"
	for _, tc := range []struct {
		name  string
		entry entry
		fault string
	}{
		{"permission on an account", entry{"e", http.MethodGet, on, need{kind: onAccount, permission: "a:b"}, serve}, ""},
		{"any caller", entry{"e", http.MethodGet, off, need{kind: anyCaller}, serve}, ""},
		{"by body", entry{"e", http.MethodGet, off, need{kind: byBody, permission: "a:b"}, serve}, ""},
		{"nothing said", entry{"e", http.MethodGet, off, need{}, serve}, "does not say what it needs"},
		{"a kind that there is not", entry{"e", http.MethodGet, off, need{kind: byBody + 1, permission: "a:b"}, serve}, "does not say what it needs"},
		{"any caller on an account", entry{"e", http.MethodGet, on, need{kind: anyCaller}, serve}, "go together"},
		{"permission on no account", entry{"e", http.MethodGet, off, need{kind: onAccount, permission: "a:b"}, serve}, "go together"},
		{"account without permission", entry{"e", http.MethodGet, on, need{kind: onAccount}, serve}, "does not fit"},
		{"any caller with permission", entry{"e", http.MethodGet, off, need{kind: anyCaller, permission: "a:b"}, serve}, "does not fit"},
		{"no permission's form", entry{"e", http.MethodGet, on, need{kind: onAccount, permission: "everything"}, serve}, "is no permission"},
		{"no handler", entry{"e", http.MethodGet, off, need{kind: anyCaller}, nil}, "no handler"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := checkTable([]entry{tc.entry})
			if tc.fault == "" && err != nil || tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)) {
				t.Errorf("checkTable: %v, want %q", err, tc.fault)
			}
		})
	}
	// Were one let through all the same, it would serve nobody.
	err := (&Account{}).authorise(&call{r: httptest.NewRequest(http.MethodGet, "/api/things", nil)}, need{})
	if err == nil {
		t.Error("a route without a need served a request")
	}
}
