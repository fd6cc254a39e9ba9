package oauth

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

// Token types in the JWS header.
const (
	typAccess = "at+jwt" // RFC 9068 §2.1
	typID     = "JWT"
)

// mint makes every token of signet. Nothing else signs claims.
type mint struct {
	issuer string
	keys   *keys.Ring
}

// order is what the mint is asked for: who, for whom, what, for how long. All of it has been checked.
type order struct {
	client   *signet.Client      // nil: none took part
	grant    *signet.Grant       // nil: the client acts for itself, or vouched is set
	user     *signet.User        // nil with grant
	members  *signet.Memberships // that the token carries; nil: none
	vouched  *signet.TokenOrder  // of a principal that is no client and no person
	scope    signet.Scope
	audience []string
	now      time.Time
	made     time.Time // zero, or when it is really made: now is ahead of it
	lifetime time.Duration
	// thumbprint of the certificate that the token is bound to; "": it is not.
	thumbprint string
}

// accessToken is a minted access token. row is set when it is opaque and must be written.
type accessToken struct {
	text      string
	id        signet.TokenID
	keyID     signet.KeyID
	issuedAt  time.Time
	expiresAt time.Time
	row       *signet.AccessToken
}

// accessClaims are the claims of a JWT access token (RFC 9068 §2.2), with sid and gid so that it can be taken back by
// session and by grant. A token of an offline grant has no sid: logging out does not end it.
type accessClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  audience         `json:"aud"`
	ClientID  signet.ClientID  `json:"client_id,omitempty"` // none where no client took part (vouched.go)
	Scope     string           `json:"scope,omitempty"`
	IssuedAt  int64            `json:"iat"`
	ExpiresAt int64            `json:"exp"`
	ID        signet.TokenID   `json:"jti"`
	AuthTime  int64            `json:"auth_time,omitempty"`
	ACR       string           `json:"acr,omitempty"`
	AMR       []string         `json:"amr,omitempty"`
	SessionID signet.SessionID `json:"sid,omitempty"`
	GrantID   signet.GrantID   `json:"gid,omitempty"`
	// UserInfo names what the claims parameter asked of the UserInfo endpoint, so that it needs no look at the grant.
	UserInfo []string `json:"userinfo_claims,omitempty"`
	// Credential is the key that vouched, so that the token can be taken back by it.
	Credential string `json:"cred,omitempty"`
	// MadeAt is when a token was made whose iat is ahead of that, in Unix microseconds: a revocation by something else than
	// what dated it ahead must reach it as well.
	MadeAt micros `json:"made_at,omitzero"`
	// Confirmation binds the token to the client's certificate (RFC 8705 §3.1).
	Confirmation *confirmation `json:"cnf,omitempty"`
	signet.OrderClaims
	membershipClaims
}

// micros is a time as Unix microseconds, left out when zero.
type micros struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (m micros) MarshalJSON() ([]byte, error) { return json.Marshal(m.UnixMicro()) }

// UnmarshalJSON implements json.Unmarshaler.
func (m *micros) UnmarshalJSON(raw []byte) error {
	var at int64
	if err := json.Unmarshal(raw, &at); err != nil {
		return err
	}
	m.Time = time.UnixMicro(at).UTC()
	return nil
}

// audience is aud: a string when there is one, an array when there are more (RFC 7519 §4.1.3).
type audience []string

// MarshalJSON implements json.Marshaler.
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return err
	}
	*a = many
	return nil
}

// subject is the sub claim. What a caller may choose freely never becomes a bare sub: a client that acts for itself is
// client:{id}, so that no client id can pass for a person (RFC 9068 §5, RFC 9700 §4.15).
func (o *order) subject() string {
	switch {
	case o.vouched != nil:
		return o.vouched.Subject
	case o.grant == nil:
		return clientSubject(o.client.ID)
	}
	return string(o.grant.UserID)
}

// clientID is the client that took part, "" when none did.
func (o *order) clientID() signet.ClientID {
	if o.client == nil {
		return ""
	}
	return o.client.ID
}

// opaque reports whether the access token is a random one: by the client's record, and always in PIN login (wire.md, 5).
// A token that is bound to a certificate says so itself, so that it is a JWT in any case.
func (o *order) opaque() bool {
	return o.client != nil && o.vouched == nil && o.thumbprint == "" && opaqueFor(o.client)
}

func opaqueFor(client *signet.Client) bool {
	return client.AccessTokenFormat == "opaque" || client.MayUse(signet.GrantPIN)
}

// alg is the signature of a JWT access token (design.md, decision 3).
func (o *order) alg() string {
	if o.client == nil || o.vouched != nil {
		return signet.AlgES256
	}
	return orDefault(o.client.AccessTokenAlg, signet.AlgES256)
}

func clientSubject(id signet.ClientID) string { return "client:" + string(id) }

// access mints an access token in the client's format. It never outlives the grant.
func (m *mint) access(o *order) (accessToken, error) {
	issued := o.now.Truncate(time.Second)
	out := accessToken{id: signet.NewTokenID(), issuedAt: issued, expiresAt: issued.Add(o.lifetime)}
	if o.grant != nil && o.grant.ExpiresAt.Before(out.expiresAt) {
		out.expiresAt = o.grant.ExpiresAt
	}
	claims := accessClaims{
		Issuer: m.issuer, Subject: o.subject(), Audience: o.audience, ClientID: o.clientID(), Scope: o.scope.String(),
		IssuedAt: out.issuedAt.Unix(), ExpiresAt: out.expiresAt.Unix(), ID: out.id, Confirmation: confirmationOf(o.thumbprint),
		MadeAt: micros{o.made},
	}
	if g := o.grant; g != nil {
		claims.AuthTime, claims.ACR, claims.AMR, claims.GrantID = g.AuthTime.Unix(), g.ACR, g.AMR, g.ID
		if !g.Offline {
			claims.SessionID = g.SessionID
		}
		if g.Claims != "" && o.scope.Has(signet.ScopeOpenID) {
			requested, err := parseClaimsParameter(g.Claims)
			if err != nil {
				return accessToken{}, signet.Internal(err) // it was parsed before it was stored
			}
			claims.UserInfo = userInfoNames(o.client, requested)
		}
	}
	if o.opaque() {
		m.opaque(o, &claims, &out)
		return out, nil
	}
	if v := o.vouched; v != nil {
		claims.AMR, claims.Credential, claims.OrderClaims = v.AMR, v.Credential, v.Claims
	}
	if o.members != nil {
		claims.membershipClaims = carried(o.members)
	}
	payload, err := json.Marshal(&claims)
	if err != nil {
		return accessToken{}, signet.Internal(err)
	}
	if out.text, out.keyID, err = m.keys.Sign(o.alg(), typAccess, payload); err != nil {
		return accessToken{}, err
	}
	if o.vouched != nil && o.vouched.Recipient != nil {
		out.text, err = m.keys.Encrypt(o.vouched.Recipient, out.text)
	}
	return out, err
}

// opaque makes a random token; what a JWT would say stands in its row.
func (m *mint) opaque(o *order, claims *accessClaims, out *accessToken) {
	secret := signet.NewSecret(signet.SecretAccess)
	out.text = secret.Reveal()
	out.row = &signet.AccessToken{
		Hash: m.keys.HashKeys().Hash(out.text), ID: out.id, ClientID: o.client.ID, Scope: o.scope, Audience: o.audience,
		SessionID: claims.SessionID, UserInfo: claims.UserInfo, ACR: claims.ACR, AMR: claims.AMR, CreatedAt: o.now, MadeAt: o.made, ExpiresAt: out.expiresAt,
	}
	if o.grant != nil {
		out.row.GrantID, out.row.UserID = o.grant.ID, o.grant.UserID
	}
}

// idClaims are the claims of an ID token (OIDC Core §2): standard ones only.
type idClaims struct {
	Issuer          string           `json:"iss"`
	Subject         signet.UserID    `json:"sub"`
	Audience        signet.ClientID  `json:"aud"`
	ExpiresAt       int64            `json:"exp"`
	IssuedAt        int64            `json:"iat"`
	AuthTime        int64            `json:"auth_time"`
	Nonce           string           `json:"nonce,omitempty"`
	ACR             string           `json:"acr,omitempty"`
	AMR             []string         `json:"amr,omitempty"`
	AccessTokenHash string           `json:"at_hash,omitempty"`
	SessionID       signet.SessionID `json:"sid,omitempty"`
	ID              signet.TokenID   `json:"jti"`
	userClaims
}

// id mints the ID token that belongs to an access token. nonce is that of the request; a refreshed ID token has none
// (OIDC Core §12.2).
func (m *mint) id(o *order, access, nonce string) (string, error) {
	alg := orDefault(o.client.IDTokenSignedAlg, "RS256")
	requested, err := parseClaimsParameter(o.grant.Claims)
	if err != nil {
		return "", signet.Internal(err) // it was parsed before it was stored
	}
	claims := idClaims{
		Issuer: m.issuer, Subject: o.grant.UserID, Audience: o.client.ID,
		ExpiresAt: o.now.Add(o.lifetime).Unix(), IssuedAt: o.now.Unix(), AuthTime: o.grant.AuthTime.Unix(),
		Nonce: nonce, ACR: o.grant.ACR, AMR: o.grant.AMR, AccessTokenHash: tokenHash(alg, access),
		SessionID: o.grant.SessionID, ID: signet.NewTokenID(),
		userClaims: idTokenClaims(o.client, o.user, o.scope, requested),
	}
	payload, err := json.Marshal(&claims)
	if err != nil {
		return "", signet.Internal(err)
	}
	text, _, err := m.keys.Sign(alg, typID, payload)
	return text, err
}

// tokenHash is at_hash (OIDC Core §3.1.3.6): the left half of the hash that the ID token's algorithm uses. Ed25519
// hashes with SHA-512.
func tokenHash(alg, token string) string {
	switch alg {
	case "EdDSA", "Ed25519", "RS512", "PS512", "ES512":
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:32])
	case "RS384", "PS384", "ES384":
		sum := sha512.Sum384([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:24])
	default:
		sum := sha256.Sum256([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:16])
	}
}

func orDefault(text, def string) string {
	if text == "" {
		return def
	}
	return text
}

// stamp returns now in the precision of the stores.
func (o *Options) stamp() time.Time { return o.Now().UTC().Truncate(time.Microsecond) }

// access is the life of an access token of client: of a person's when user, else of the client's own.
func (l Lifetimes) access(client *signet.Client, user bool) time.Duration {
	if client.MayUse(signet.GrantPIN) {
		return client.AccessTokenLifetime.Or(signet.PINAccess)
	}
	if user {
		return client.AccessTokenLifetime.Or(l.AccessToken)
	}
	return client.AccessTokenLifetime.Or(l.ClientCredentials)
}
