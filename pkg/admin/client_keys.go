package admin

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

const maxKeys = 20

// keySet judges where the keys come from, and the hosted JWKS: public keys only, each with a kid of its own, strong enough, and one that the
// registered algorithm can use. Keys for encryption are kept as sent and never verify.
func (j *judge) keySet() {
	m := j.m
	if m.JWKSURI != "" {
		// What stands there is judged when it is fetched, by the same rules.
		j.need(httpsURL(m.JWKSURI), "jwks_uri", "must be an https URL")
		j.need(len(m.JWKS) == 0, "jwks_uri", "goes without jwks") // RFC 7591 §2
		return
	}
	if len(m.JWKS) == 0 {
		j.need(m.TokenEndpointAuthMethod != signet.AuthPrivateKeyJWT, "jwks", "or jwks_uri is needed with private_key_jwt")
		return
	}
	var raw struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	var set jose.JSONWebKeySet
	if json.Unmarshal(m.JWKS, &raw) != nil || len(raw.Keys) == 0 || len(raw.Keys) > maxKeys {
		j.problem("jwks", "must be an object with 1 to %d keys", maxKeys)
		return
	}
	for _, members := range raw.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, ok := members[private]; ok {
				j.problem("jwks", "holds a private or symmetric key: send public keys only, and replace this one")
				return
			}
		}
	}
	if json.Unmarshal(m.JWKS, &set) != nil || len(set.Keys) != len(raw.Keys) {
		j.problem("jwks", "holds a key of an unknown kind")
		return
	}
	j.keys(set.Keys)
}

func (j *judge) keys(keys []jose.JSONWebKey) {
	kids, encrypting := map[string]bool{}, 0
	var signing []string
	for i := range keys {
		key := &keys[i]
		j.need(key.KeyID != "" && len(key.KeyID) <= 200, "jwks", "needs a kid on every key")
		j.need(!kids[key.KeyID], "jwks", "repeats a kid")
		kids[key.KeyID] = true
		j.need(key.Valid() && key.IsPublic(), "jwks", "holds an invalid key")
		switch key.Use {
		case "sig":
			alg, ok := keyAlg(key)
			j.need(ok, "jwks", "holds a weak or unsupported signing key: RSA of 2048 to 8192 bits, P-256 or Ed25519")
			signing = append(signing, alg)
		case "enc":
			encrypting++
		default:
			j.problem("jwks", "needs use sig or enc on every key")
		}
	}
	if j.m.TokenEndpointAuthMethod == signet.AuthPrivateKeyJWT {
		j.need(len(signing) > 0, "jwks", "needs a key with use sig")
		if j.m.TokenEndpointAuthAlg == "" && len(signing) > 0 {
			j.m.TokenEndpointAuthAlg = signing[0]
		}
		fits := func(alg string) bool { return sameFamily(alg, j.m.TokenEndpointAuthAlg) }
		j.need(slices.ContainsFunc(signing, fits), "jwks", "holds no signing key for token_endpoint_auth_signing_alg")
	}
	if j.m.Partner {
		j.need(len(signing) >= 1 && encrypting >= 1, "jwks", "of a partner needs one key with use sig and one with use enc")
	}
}

// keyAlg names the algorithm that a key verifies by default. Curves beyond P-256 have no algorithm registered here.
func keyAlg(key *jose.JSONWebKey) (string, bool) {
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return "RS256", bits >= 2048 && bits <= 8192 && public.E >= 3
	case *ecdsa.PublicKey:
		return "ES256", public.Curve.Params().BitSize == 256
	case ed25519.PublicKey:
		return "EdDSA", true
	default:
		return "", false
	}
}

func sameFamily(a, b string) bool { return a == b || a == "RS256" && b == "PS256" }
