package signet_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestNewUUID(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := signet.NewUUID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%q is malformed or repeated", id)
		}
		seen[id] = true
	}
}

func TestErrorMatching(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	err := fmt.Errorf("find client: %w", signet.Unavailable(cause))
	if !errors.Is(err, signet.ErrUnavailable) || errors.Is(err, signet.ErrNotFound) || !errors.Is(err, cause) {
		t.Errorf("chain is broken: %v", err)
	}
	if signet.CodeOf(err) != signet.CodeUnavailable || signet.CodeOf(cause) != signet.CodeInternal || signet.CodeOf(nil) != "" {
		t.Error("CodeOf")
	}
	inner := signet.NewError(signet.CodeInvalidGrant, "m", "code_replayed")
	outer := &signet.Error{Code: signet.CodeInvalidGrant, Cause: inner}
	if got := signet.ReasonOf(outer); got != "code_replayed" {
		t.Errorf("ReasonOf = %q", got)
	}
}

func TestParseScope(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
		fails            bool
	}{
		{name: "order is kept", text: "openid profile email", want: "openid profile email"},
		{name: "repetition is dropped", text: "a b a", want: "a b"},
		{name: "extra spaces", text: "  a   b ", want: "a b"},
		{name: "empty", text: "", want: ""},
		{name: "quote", text: `a"b`, fails: true},
		{name: "backslash", text: `a\b`, fails: true},
		{name: "control", text: "a\x00b", fails: true},
		{name: "beyond ASCII", text: "ä", fails: true},
		{name: "tab is no separator", text: "a\tb", fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := signet.ParseScope(tt.text)
			if (err != nil) != tt.fails || got.String() != tt.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if !(signet.Scope{"a"}).Within(signet.Scope{"a", "b"}) || (signet.Scope{"a", "c"}).Within(signet.Scope{"a", "b"}) {
		t.Error("Within")
	}
}

func TestKeyState(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(h int) *time.Time { v := t0.Add(time.Duration(h) * time.Hour); return &v }
	key := signet.Key{PublishAt: *at(1), ActivateAt: *at(2), RetireAt: at(3), RemoveAt: at(4)}
	revoked := key
	revoked.RevokedAt = at(2)
	tests := []struct {
		name string
		key  signet.Key
		at   time.Time
		want signet.KeyState
	}{
		{"planned", key, t0, signet.KeyPlanned},
		{"published at its moment", key, *at(1), signet.KeyPublished},
		{"active at its moment", key, *at(2), signet.KeyActive},
		{"retiring at its moment", key, *at(3), signet.KeyRetiring},
		{"gone at its moment", key, *at(4), signet.KeyGone},
		{"revoked wins over active", revoked, *at(2), signet.KeyRevoked},
		{"revoked wins over gone", revoked, *at(9), signet.KeyRevoked},
		{"without an end it stays active", signet.Key{PublishAt: t0, ActivateAt: t0}, *at(9999), signet.KeyActive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.key.State(tt.at); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSessionAndFlowLive(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	live := signet.Session{IdleExpiresAt: now.Add(1), ExpiresAt: now.Add(1)}
	idle, over, ended := live, live, live
	idle.IdleExpiresAt, over.ExpiresAt, ended.EndedAt = now, now, &now
	for name, s := range map[string]signet.Session{"idle": idle, "over": over, "ended": ended} {
		if s.Live(now) {
			t.Errorf("%s session is live", name)
		}
	}
	if !live.Live(now) {
		t.Error("live session is not live")
	}
	f := signet.Flow{CreatedAt: now}
	if !f.Live(now) || f.Live(now.Add(signet.FlowLifetime)) || f.Live(now.Add(-11*time.Second)) {
		t.Error("flow lifetime")
	}
}
