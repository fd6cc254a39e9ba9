package clientauth_test

import (
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
)

// A clock goes on while a set is fetched: the request that had it fetched is answered with it, and is not told that the
// set is of the future.
func TestFetchedKeysWhileTheClockGoesOn(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	roots := x509.NewCertPool()
	roots.AddCert(host.server.Certificate())
	w := newWorldWith(t, nil, func(o *clientauth.Options) {
		o.KeySets = clientauth.KeySetOptions{Loopback: true, Roots: roots}
		o.Now = func() time.Time { return time.Now().UTC() }
	})
	client := w.keyClient(t, "pk")
	client.JWKS, client.JWKSURI = nil, host.server.URL+"/jwks"
	key := newKey(t, "k1", "ES256")
	set := jwks(t, key)
	host.says(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(set) })
	now := time.Now()
	result, err := w.assert(key.sign(t, key.header(), with(map[string]any{"iat": now.Unix(), "exp": now.Unix() + 60})))
	want(t, result, err, "", "")
}
