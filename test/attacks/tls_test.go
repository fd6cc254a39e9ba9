package attacks

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

// overTLS starts a server that speaks https with a certificate of its own authority.
func overTLS(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "--tls")
	content, err := os.ReadFile(w.CardFile)
	if err != nil {
		t.Fatal(err)
	}
	var card struct {
		TLS struct {
			CAFile string `json:"ca_file"`
		} `json:"tls"`
	}
	if err := json.Unmarshal(content, &card); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(card.TLS.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		t.Fatal("the authority's file holds no certificate")
	}
	w.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	return w
}

// Over https every cookie has the __Host- prefix, which a browser takes only with Secure, Path=/ and no Domain.
func TestCSR08OverTLS(t *testing.T) {
	t.Parallel()
	w := overTLS(t)
	a := w.get("/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode())
	lines := a.header["Set-Cookie"]
	if a.status != http.StatusSeeOther || len(lines) == 0 {
		t.Fatalf("%d, cookies %v", a.status, lines)
	}
	for _, line := range lines {
		checkCookie(t, line)
		if !strings.HasPrefix(line, "__Host-") || !strings.Contains(line, "; Secure") {
			t.Errorf("Set-Cookie: %s", line)
		}
	}
}

// Over https every answer says that it stays so.
func TestHTT05OverTLS(t *testing.T) {
	t.Parallel()
	w := overTLS(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/nowhere", "/login", "/authorize"} {
		if got := w.get(path).header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=") {
			t.Errorf("%s: Strict-Transport-Security %q", path, got)
		}
	}
}
