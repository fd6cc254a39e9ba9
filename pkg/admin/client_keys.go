package admin

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

const maxKeys = 20

// hasKeys reports whether the method proves a client by keys of its own.
func (j *judge) hasKeys() bool {
	return j.m.TokenEndpointAuthMethod == signet.AuthPrivateKeyJWT || j.m.TokenEndpointAuthMethod == signet.AuthSelfSignedTLS
}

// certified reports whether the environment takes hosted keys as certificates alone (wire.md, 2).
func (j *judge) certified() bool {
	return j.m.Environment == signet.EnvironmentCAT || j.m.Environment == signet.EnvironmentProduction
}

const maxCertificates = 64 << 10

// certificates makes the hosted keys of the certificates that were sent. In cat and production each must be a good one;
// elsewhere what is wrong is a warning.
func (j *judge) certificates() {
	m := j.m
	if m.Certificates == "" {
		j.need(!j.certified() || len(m.JWKS) == 0, "jwks", "is taken in cat and production as PEM certificates alone: send certificates")
		return
	}
	if m.JWKSURI != "" || len(m.Certificates) > maxCertificates || j.partners.KeySet == nil {
		j.problem("certificates", "are those of hosted keys, without jwks_uri, at most %d characters", maxCertificates)
		return
	}
	before := j.before
	if before != nil && before.Certificates == m.Certificates && before.Environment == m.Environment {
		// Judged when they came. Else a record whose certificate has ended could not even be told to refuse a key.
		m.JWKS = before.JWKS
		return
	}
	set, warnings, err := j.partners.KeySet(m.Certificates, j.certified())
	if err != nil {
		text := "cannot be used"
		if fault := (*signet.Error)(nil); errors.As(err, &fault) && fault.Message != "" {
			text = "are refused: " + strings.TrimSuffix(fault.Message, ".")
		}
		j.problem("certificates", "%s", text)
		return
	}
	j.warnings = append(j.warnings, warnings...)
	if j.newKeys() && !sameJSON(m.JWKS, set) {
		j.warnings = append(j.warnings, "the jwks that was sent is not used: the keys are those of the certificates")
	}
	m.JWKS = set
}

// newKeys reports whether the caller sent a hosted set that it did not just read here.
func (j *judge) newKeys() bool {
	return len(j.m.JWKS) > 0 && (j.before == nil || !sameJSON(j.m.JWKS, j.before.JWKS))
}

// sameJSON compares values: programs that read and write a record back may order its members anew.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// keySet judges the keys of a client: fetched from where it says, or hosted here. The hosted set has public keys only,
// each with a kid of its own, strong enough, and one that the registered algorithm can use. Keys for encryption are kept
// as sent and never verify.
func (j *judge) keySet() {
	m := j.m
	if m.JWKSURI != "" {
		// What stands there is judged when it is fetched, by the same rules.
		check := j.partners.CheckKeySetURI
		j.need(check == nil && httpsURL(m.JWKSURI) || check != nil && check(m.JWKSURI) == nil, "jwks_uri", "must be an https URL without user or fragment")
		j.need(j.hasKeys(), "jwks_uri", "is for private_key_jwt and self_signed_tls_client_auth")
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
		j.need(len(signing) == 1 && encrypting == 1, "jwks", "of a partner needs one key with use sig and one with use enc, no more")
	}
	if j.m.TokenEndpointAuthMethod == signet.AuthSelfSignedTLS {
		// RFC 8705 §2.2.2: the certificate is that of a key's x5c.
		shown := func(key jose.JSONWebKey) bool { return key.Use == "sig" && len(key.Certificates) > 0 }
		j.need(slices.ContainsFunc(keys, shown), "jwks", "of self_signed_tls_client_auth needs a key with use sig and its certificate as x5c")
	}
}

// maxRefusedKeys is generous: whoever has lost so many keys needs another client.
const maxRefusedKeys = 50

// refusedKeys are the operator's quick way to end a key, whoever hosts it.
func (j *judge) refusedKeys() {
	refused := j.m.JWKSRefusedKIDs
	j.need(len(refused) == 0 || j.hasKeys(), "jwks_refused_kids", "is for private_key_jwt and self_signed_tls_client_auth")
	j.need(len(refused) <= maxRefusedKeys, "jwks_refused_kids", fmt.Sprintf("may hold at most %d", maxRefusedKeys))
	seen := map[string]bool{}
	for _, kid := range refused[:min(len(refused), maxRefusedKeys)] {
		j.need(kid != "" && len(kid) <= 200, "jwks_refused_kids", "must be names of keys, 200 characters at most")
		j.need(!seen[kid], "jwks_refused_kids", "repeats one")
		seen[kid] = true
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
