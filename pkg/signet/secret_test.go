package signet_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestParseSecret(t *testing.T) {
	t.Parallel()
	good := signet.NewSecret(signet.SecretRefresh).Reveal()
	if _, ok := signet.ParseSecret(signet.SecretRefresh, good); !ok {
		t.Fatalf("fresh secret %q is refused", good)
	}
	// COD-07: kinds share no namespace.
	if _, ok := signet.ParseSecret(signet.SecretCode, good); ok {
		t.Error("a refresh token passes as a code")
	}
	for i := range len(good) {
		flipped := []byte(good)
		flipped[i] ^= 1
		if raw, ok := signet.ParseSecret(signet.SecretRefresh, string(flipped)); ok {
			t.Errorf("byte %d flipped is accepted as %x", i, raw)
		}
	}
	for _, bad := range []string{"", "sgt_rt_", good + "A", good[:len(good)-1], strings.ToUpper(good), " " + good} {
		if _, ok := signet.ParseSecret(signet.SecretRefresh, bad); ok {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	s := signet.NewSecret(signet.SecretClient)
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("made", "secret", s)
	text := b.String() + fmt.Sprintf("%v %s %+v %#v %q", s, s, s, s, s)
	if strings.Contains(text, s.Reveal()) {
		t.Fatalf("the secret stands in %q", text)
	}
}

func TestHashKeys(t *testing.T) {
	t.Parallel()
	keys := signet.HashKeys{Current: "b", Keys: map[signet.KeyID][]byte{"a": []byte("one"), "b": []byte("two")}}
	old := signet.HashKeys{Current: "a", Keys: keys.Keys}.Hash("x")
	tests := []struct {
		name   string
		text   string
		stored signet.SecretHash
		want   bool
	}{
		{"current key", "x", keys.Hash("x"), true},
		{"older key still verifies", "x", old, true},
		{"other text", "y", old, false},
		{"unknown key", "x", signet.SecretHash{KeyID: "c", Sum: old.Sum}, false},
		// A key that is not here is no empty key.
		{"unknown key, sum of none", "x", signet.HashKeys{Current: "c"}.Hash("x"), false},
		{"sum of another key", "x", signet.SecretHash{KeyID: "b", Sum: old.Sum}, false},
		{"zero", "x", signet.SecretHash{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := keys.Verify(tt.text, tt.stored); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if c := keys.Candidates("x"); len(c) != 2 || c[0] != keys.Hash("x") || c[1] != old {
		t.Errorf("candidates %v", c)
	}
}
