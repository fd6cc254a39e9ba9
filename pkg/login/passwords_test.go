package login_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
)

func newPasswords(t *testing.T, opts login.PasswordsOptions) *login.Passwords {
	t.Helper()
	p, err := login.NewPasswords(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPasswordRoundTrip(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, login.PasswordsOptions{})
	long := strings.Repeat("a", 72)
	for _, c := range []struct{ name, password, other string }{
		{"plain", "correct horse battery staple", "correct horse battery stapler"},
		{"case matters", "Password", "password"},
		{"spaces matter", " a b ", "a b"},
		{"unicode", "pässwörd-日本", "passwörd-日本"},
		{"nothing is cut at 72 bytes (bcrypt)", long + "b", long + "c"},
		{"longest", strings.Repeat("x", login.MaxPassword), strings.Repeat("x", login.MaxPassword-1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phc, err := p.Hash(t.Context(), c.password)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("PHC string %q", phc)
			}
			if ok, err := p.Verify(t.Context(), phc, c.password); !ok || err != nil {
				t.Errorf("the password itself: %v, %v", ok, err)
			}
			if ok, err := p.Verify(t.Context(), phc, c.other); ok || err != nil {
				t.Errorf("another password: %v, %v", ok, err)
			}
		})
	}
}

func TestPasswordLength(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, login.PasswordsOptions{})
	for _, password := range []string{"", strings.Repeat("x", login.MaxPassword+1)} {
		if _, err := p.Hash(t.Context(), password); signet.CodeOf(err) != signet.CodeInvalidRequest {
			t.Errorf("hash of %d bytes: %v", len(password), err)
		}
		if _, err := p.Verify(t.Context(), p.Nobody(), password); signet.CodeOf(err) != signet.CodeInvalidRequest {
			t.Errorf("verification of %d bytes: %v", len(password), err)
		}
	}
	if p.Computed() != 0 {
		t.Error("work was done for a password that cannot be one")
	}
}

// A stored hash that asks for too much, or is none, costs nothing and matches nothing.
func TestStoredHashIsBounded(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, login.PasswordsOptions{})
	const salt, key = "c2FsdHNhbHRzYWx0c2FsdA", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U"
	good := "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key
	if _, err := p.Verify(t.Context(), good, "x"); err != nil {
		t.Fatalf("the case that the others are made of: %v", err)
	}
	before := p.Computed()
	for name, phc := range map[string]string{
		"empty":            "",
		"bcrypt":           "$2b$10$abcdefghijklmnopqrstuv",
		"argon2i":          strings.Replace(good, "argon2id", "argon2i", 1),
		"old version":      strings.Replace(good, "v=19", "v=16", 1),
		"gigabytes":        strings.Replace(good, "m=64", "m=4194304", 1),
		"beyond 32 bits":   strings.Replace(good, "m=64", "m=4294967360", 1),
		"no memory":        strings.Replace(good, "m=64", "m=0", 1),
		"minutes":          strings.Replace(good, "t=1", "t=100000", 1),
		"no pass":          strings.Replace(good, "t=1", "t=0", 1), // argon2 panics on it
		"no lane":          strings.Replace(good, "p=1", "p=0", 1),
		"256 lanes":        strings.Replace(good, "p=1", "p=257", 1), // wraps to 1 in eight bits
		"too little each":  strings.Replace(good, "m=64,t=1,p=1", "m=16,t=1,p=4", 1),
		"no key":           strings.TrimSuffix(good, key),
		"short key":        strings.Replace(good, key, "a2V5", 1),
		"short salt":       strings.Replace(good, salt, "c2Fs", 1),
		"parameter twice":  strings.Replace(good, "p=1", "p=1,p=1", 1),
		"parameters apart": strings.Replace(good, "m=64,t=1,p=1", "t=1,m=64,p=1", 1),
		"one part more":    good + "$",
		"not base64":       strings.Replace(good, key, "****", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if ok, err := p.Verify(t.Context(), phc, "x"); ok || signet.CodeOf(err) != signet.CodeInternal {
				t.Errorf("%q: %v, %v", phc, ok, err)
			}
		})
	}
	if p.Computed() != before {
		t.Error("work was done for a hash out of bounds")
	}
}

// EXH-02: what does not fit into the queue is refused at once; whoever goes away frees the place.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, login.PasswordsOptions{Workers: 1, Queue: 1})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	results := make(chan error, 64)
	for range 64 {
		wg.Go(func() {
			_, err := p.Hash(ctx, "x")
			results <- err
		})
	}
	wg.Wait()
	cancel()
	done, refused := 0, 0
	for range 64 {
		switch err := <-results; signet.CodeOf(err) {
		case "":
			done++
		case signet.CodeUnavailable:
			refused++
		default:
			t.Errorf("error %v", err)
		}
	}
	// Of 64 that come at once, one is at work and one waits; a few more slip in while goroutines start.
	if done == 0 || done > 16 || refused == 0 || uint64(done) != p.Computed() {
		t.Errorf("%d done, %d refused, %d computed", done, refused, p.Computed())
	}
	if _, err := p.Hash(ctx, "x"); err != nil {
		t.Errorf("a free worker needs no wait: %v", err)
	}
}

func TestPasswordsOptions(t *testing.T) {
	t.Parallel()
	for _, opts := range []login.PasswordsOptions{{Workers: -1}, {Queue: -1}} {
		if _, err := login.NewPasswords(opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
}
