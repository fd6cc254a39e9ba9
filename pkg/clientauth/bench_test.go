package clientauth_test

import (
	"net/url"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// BenchmarkAssertion is private_key_jwt with a warm key, the replay memory in this process.
func BenchmarkAssertion(b *testing.B) {
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			w := newWorld(b)
			key := newKey(b, "k1", alg)
			w.keyClient(b, "pk", key)
			token := key.sign(b, key.header(), with(nil))
			params := url.Values{"client_assertion": {token}, "client_assertion_type": {jwtType}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.marks.seen)
				if _, err := w.authenticate(params); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSecret is client_secret_basic.
func BenchmarkSecret(b *testing.B) {
	w := newWorld(b)
	w.secretClient("c1", signet.AuthSecretBasic, "s1")
	header := basic("c1", "s1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.authenticate(nil, header); err != nil {
			b.Fatal(err)
		}
	}
}
