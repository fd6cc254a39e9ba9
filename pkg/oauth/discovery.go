package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// metadataMaxAge is how long readers may keep the metadata. It hardly ever changes, and what changes in it (an
// algorithm) is announced by the published keys first.
const metadataMaxAge = 5 * time.Minute

// metadata is the server's description (OIDC Discovery §3, RFC 8414 §2). Only members that a specification defines: a
// vendor's own would be a warning to strict readers. A member without values is left out (RFC 8414 §2).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"` // RFC 7662
	RevocationEndpoint    string   `json:"revocation_endpoint"`    // RFC 7009
	EndSessionEndpoint    string   `json:"end_session_endpoint"`   // RP-Initiated Logout §2.1
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	ACRValues             []string `json:"acr_values_supported,omitempty"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs              []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs     []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgs        []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	ClaimTypes            []string `json:"claim_types_supported"`
	Claims                []string `json:"claims_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	// RequestURIParameter is true when it is left out (OIDC Discovery §3), so it is never left out.
	RequestURIParameter bool     `json:"request_uri_parameter_supported"`
	ChallengeMethods    []string `json:"code_challenge_methods_supported"`               // RFC 7636
	IssParameter        bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	PromptValues        []string `json:"prompt_values_supported"`                        // Initiating User Registration §4
	UILocales           []string `json:"ui_locales_supported"`
	// Where clients show certificates, if anywhere (RFC 8705 §3.3, §5).
	BoundTokens bool              `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	Aliases     map[string]string `json:"mtls_endpoint_aliases,omitempty"`
}

// metadataBody is the document in the form in which it is sent, with the algorithms that it was made for.
type metadataBody struct {
	algs string
	body []byte
	etag string
}

// serveMetadata serves both documents (OIDC Discovery §4, RFC 8414 §3): the same bytes, since each specification allows
// the other's members. It touches no store.
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) {
	algs := s.Keys.SigningAlgs()
	current := s.published.Load()
	if joined := strings.Join(algs, " "); current == nil || current.algs != joined {
		body, err := json.Marshal(s.describe(algs))
		if err != nil {
			writeError(w, signet.Internal(err), false)
			return
		}
		current = &metadataBody{algs: joined, body: body, etag: entityTag(body)}
		s.published.Store(current)
	}
	servePrepared(w, r, current.body, current.etag, metadataMaxAge)
}

// describe derives the document from what is built and from the algorithms that have a key.
func (s *Server) describe(algs []string) *metadata {
	confidential := []string{string(signet.AuthSecretBasic), string(signet.AuthSecretPost), string(signet.AuthPrivateKeyJWT)}
	if s.MTLSBase != "" {
		confidential = append(confidential, string(signet.AuthTLS), string(signet.AuthSelfSignedTLS))
	}
	all := append(slices.Clone(confidential), string(signet.AuthNone))
	return &metadata{
		BoundTokens: s.MTLSBase != "", Aliases: s.aliases(),
		Issuer:                s.Issuer,
		AuthorizationEndpoint: s.Issuer + "/authorize",
		TokenEndpoint:         s.Issuer + "/token",
		UserinfoEndpoint:      s.Issuer + "/userinfo",
		JWKSURI:               s.Issuer + "/.well-known/jwks.json",
		IntrospectionEndpoint: s.Issuer + "/introspect",
		RevocationEndpoint:    s.Issuer + "/revoke",
		EndSessionEndpoint:    s.Issuer + "/logout",
		Scopes: []string{
			signet.ScopeOpenID, signet.ScopeProfile, signet.ScopeEmail, signet.ScopePhone, signet.ScopeAddress, signet.ScopeOfflineAccess,
		},
		ResponseTypes:        []string{"code"},
		ResponseModes:        answerModes(),
		GrantTypes:           s.grantTypes(),
		SubjectTypes:         []string{"public"},
		IDTokenAlgs:          defaultFirst(algs, "RS256"),
		ACRValues:            acrValues(),
		AuthMethods:          all,
		AuthAlgs:             assertionAlgs(),
		IntrospectionMethods: confidential,
		IntrospectionAlgs:    assertionAlgs(),
		RevocationMethods:    all,
		RevocationAlgs:       assertionAlgs(),
		ClaimTypes:           []string{"normal"},
		Claims:               supportedClaims(),
		ClaimsParameter:      true,
		ChallengeMethods:     []string{"S256"},
		IssParameter:         true,
		PromptValues:         promptValues(),
		UILocales:            []string{"en"},
	}
}

// aliases are the endpoints of the mutual TLS listener (RFC 8705 §5).
func (s *Server) aliases() map[string]string {
	if s.MTLSBase == "" {
		return nil
	}
	out := map[string]string{}
	for _, route := range s.MTLSRoutes() {
		name := map[string]string{"introspect": "introspection", "revoke": "revocation"}[route.Name]
		out[orDefault(name, route.Name)+"_endpoint"] = s.MTLSBase + route.Path
	}
	return out
}

// grantTypes are the grants that the table of the token endpoint knows.
func (s *Server) grantTypes() (known []string) {
	for _, name := range []string{
		signet.GrantAuthorizationCode, signet.GrantRefreshToken, signet.GrantClientCredentials, signet.GrantHMACIdentity, signet.GrantTokenExchange,
	} {
		if _, ok := s.stepsOf(name); ok {
			known = append(known, name)
		}
	}
	return known
}

// defaultFirst puts the default of a client's record in front: readers that take the first take what they would get.
func defaultFirst(algs []string, first string) []string {
	out := make([]string, 0, len(algs))
	if slices.Contains(algs, first) {
		out = append(out, first)
	}
	for _, alg := range algs {
		if alg != first {
			out = append(out, alg)
		}
	}
	return out
}

// assertionAlgs are what pkg/clientauth verifies (design.md, decision 3): never none, HMAC or RSA1_5.
func assertionAlgs() []string { return []string{"ES256", "EdDSA", "PS256", "RS256"} }

// entityTag names a body by its content.
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// servePrepared answers with a public body, or with 304 to a reader that has it (RFC 9110 §13.1.2).
func servePrepared(w http.ResponseWriter, r *http.Request, body []byte, etag string, maxAge time.Duration) {
	header := w.Header()
	header.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(maxAge/time.Second))+", must-revalidate")
	header.Set("ETag", etag)
	if known(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	web.WriteJSONBytes(w, http.StatusOK, body)
}

// known compares entity tags weakly, as If-None-Match asks.
func known(lines []string, etag string) bool {
	for _, line := range lines {
		for candidate := range strings.SplitSeq(line, ",") {
			candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
			if candidate == etag || candidate == "*" {
				return true
			}
		}
	}
	return false
}
