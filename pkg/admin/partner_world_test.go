package admin_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

const catIssuer = "https://cat.test"

// partners ties the judgements of the real clientauth, as cmd/signet does.
func (w *world) partners() admin.Partners {
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.certificate)
	return admin.Partners{
		CheckKeySetURI: func(uri string) error { return clientauth.CheckKeySetURI(uri, false) },
		KeySet: func(certificates string, strict bool) (json.RawMessage, []string, error) {
			return clientauth.CertificatesToJWKS([]byte(certificates), clientauth.CertificateRules{Roots: roots, Strict: strict, Now: time.Now()})
		},
		Successes: w.store,
		SignEvidence: func(client signet.ClientID, succeeded time.Time) (id, text string, err error) {
			evidence := clientauth.Evidence{ID: signet.NewID(), Issuer: catIssuer, ClientID: client, SucceededAt: succeeded, IssuedAt: time.Now()}
			claims, err := evidence.Claims()
			if err != nil {
				return "", "", err
			}
			text, _, err = w.ring.Sign(signet.AlgES256, clientauth.EvidenceType, claims)
			return evidence.ID, text, err
		},
		VerifyEvidence: func(text string, client signet.ClientID) (string, error) {
			evidence, err := clientauth.VerifyEvidence(text, w.catKeys, catIssuer, client, time.Now())
			if err != nil {
				return "", err
			}
			return evidence.ID, nil
		},
	}
}

// authority signs partners' certificates.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: ecKey(t)}
	a.certificate = a.issue(t, a.key.Public(), func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = pkix.Name{CommonName: "Root"}, true, true, x509.KeyUsageCertSign
	})
	return a
}

// issue signs a certificate; without one of its own yet, for itself.
func (a *authority) issue(t *testing.T, key crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	number, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	now := time.Now()
	c := &x509.Certificate{SerialNumber: number, Subject: pkix.Name{CommonName: "Bank"}, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(time.Hour)}
	change(c)
	parent := a.certificate
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// pair are certificates for a signing and an encryption key, as PEM.
func (a *authority) pair(t *testing.T, change func(*x509.Certificate)) string {
	t.Helper()
	return inPEM(a.issue(t, ecKey(t).Public(), change), a.issue(t, ecKey(t).Public(), change))
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func inPEM(certificates ...*x509.Certificate) string {
	var out bytes.Buffer
	for _, c := range certificates {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return out.String()
}

func asIs(*x509.Certificate) {}

// body writes members over one another as a JSON object.
func body(t *testing.T, members ...map[string]any) string {
	t.Helper()
	all := map[string]any{}
	for _, some := range members {
		for name, value := range some {
			all[name] = value
		}
	}
	encoded, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// issued puts a token of the client into history, as the token endpoint does.
func (w *world) issued(client signet.ClientID, at time.Time) {
	w.t.Helper()
	w.store.Traffic(signet.Event{ID: signet.NewEventID(), Kind: signet.EventTokenIssued, At: at, ClientID: client, Actor: "client:" + string(client),
		Reason: signet.GrantClientCredentials})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.store.Run(ctx); err != nil { // writes what is queued before it ends
		w.t.Fatal(err)
	}
}
