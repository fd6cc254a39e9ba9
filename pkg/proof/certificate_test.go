package proof_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

func certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func item(c *x509.Certificate) string { return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":" }

func TestThumbprint(t *testing.T) {
	t.Parallel()
	c := certificate(t)
	sum := sha256.Sum256(c.Raw)
	if got := proof.Thumbprint(c); got != base64.RawURLEncoding.EncodeToString(sum[:]) || len(got) != 43 {
		t.Errorf("thumbprint %q", got)
	}
}

func TestMTL01ParseHeaders(t *testing.T) {
	t.Parallel()
	a, b, c := certificate(t), certificate(t), certificate(t)
	good := item(a)
	for _, tc := range []struct {
		name        string
		leaf, chain []string
		count       int // -1: refused
	}{
		{"none", nil, nil, 0},
		{"one", []string{good}, nil, 1},
		{"blanks around", []string{"  " + good + " "}, nil, 1},
		{"with a chain", []string{good}, []string{item(b) + ", " + item(c)}, 3},
		{"with a chain in two lines", []string{good}, []string{item(b), item(c)}, 3},
		{"chain without leaf", nil, []string{item(b)}, -1},
		{"two values", []string{good, good}, nil, -1},
		{"list", []string{good + "," + good}, nil, -1},
		{"two items in one", []string{good + good}, nil, -1},
		{"parameters", []string{good + ";x"}, nil, -1},
		{"string", []string{`"` + strings.Trim(good, ":") + `"`}, nil, -1},
		{"empty", []string{""}, nil, -1},
		{"empty bytes", []string{"::"}, nil, -1},
		{"open end", []string{strings.TrimSuffix(good, ":")}, nil, -1},
		{"base64url", []string{":" + base64.URLEncoding.EncodeToString(append([]byte{0xfb, 0xff}, a.Raw...)) + ":"}, nil, -1},
		{"line end", []string{":" + strings.Trim(good, ":")[:8] + "\n" + strings.Trim(good, ":")[8:] + ":"}, nil, -1},
		{"DER and a byte", []string{":" + base64.StdEncoding.EncodeToString(append(append([]byte{}, a.Raw...), 0)) + ":"}, nil, -1},
		{"PEM", []string{":" + base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----")) + ":"}, nil, -1},
		{"30 KiB", []string{":" + strings.Repeat("AAAA", 30<<8) + ":"}, nil, -1},
		{"empty item in the chain", []string{good}, []string{item(b) + ","}, -1},
		{"chain of nine", []string{good}, []string{strings.TrimSuffix(strings.Repeat(item(b)+",", 9), ",")}, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			list, err := proof.ParseHeaders(tc.leaf, tc.chain)
			if tc.count < 0 {
				if signet.CodeOf(err) != signet.CodeInvalidRequest || list != nil {
					t.Errorf("%d, %v", len(list), err)
				}
				return
			}
			if err != nil || len(list) != tc.count {
				t.Fatalf("%d, %v", len(list), err)
			}
			if tc.count > 0 && !list[0].Equal(a) {
				t.Error("the first is not the caller's own")
			}
		})
	}
}

// FuzzParseHeaders: what is read has one spelling (RFC 9440 §2): written again it is what was sent, but for blanks.
func FuzzParseHeaders(f *testing.F) {
	good := item(certificate(f))
	f.Add(good, item(certificate(f)))
	f.Add(" "+good+" ", good+", "+good)
	f.Add(good+";a=1", good)
	f.Add(good[:len(good)-1]+"\n:", good)
	f.Add(":AAAA:", ":,:")
	f.Add("::", "")
	f.Fuzz(func(t *testing.T, leaf, chain string) {
		list, err := proof.ParseHeaders([]string{leaf}, []string{chain})
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%d certificates, %v", len(list), err)
		}
		if err != nil {
			return
		}
		var items []string
		for _, c := range list {
			items = append(items, item(c))
		}
		sent := strings.ReplaceAll(leaf+","+chain, " ", "")
		if written := strings.Join(items, ","); written != strings.TrimSuffix(sent, ",") {
			t.Fatalf("%q and %q are read as %q", leaf, chain, written)
		}
	})
}
