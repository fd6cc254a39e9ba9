package signet

import "time"

// RefreshToken is one generation of a family.
type RefreshToken struct {
	Hash       SecretHash
	ParentHash SecretHash // of the token it replaced; zero for generation 0
	GrantID    GrantID
	ClientID   ClientID
	Generation int
	// RotationKeyID names the key that computes this token's successor.
	RotationKeyID KeyID
	CreatedAt     time.Time
	UsedAt        *time.Time
}

// RefreshTokenState is what one read tells of a presented refresh token.
type RefreshTokenState struct {
	Token RefreshToken
	Grant Grant
	// Successor is the token that replaced it, nil when it was never rotated.
	Successor *RefreshToken
}

// AccessToken is the row of an opaque access token; JWTs have none.
type AccessToken struct {
	Hash     SecretHash
	ID       TokenID
	GrantID  GrantID // "" for client_credentials
	ClientID ClientID
	UserID   UserID
	Scope    Scope
	Audience []string
	// SessionID ends the token with that session; "" for client_credentials and offline grants.
	SessionID SessionID
	// UserInfo names the claims that the claims parameter asked of the UserInfo endpoint (OIDC Core §5.5).
	UserInfo []string
	// ACR and AMR are the grant's: how its person or application was authenticated.
	ACR string
	AMR []string
	// CreatedAt is the iat; MadeAt is zero, or when the token was really made: CreatedAt is ahead of it.
	CreatedAt time.Time
	MadeAt    time.Time
	ExpiresAt time.Time
}

// RevocationKind says what was taken back.
type RevocationKind string

// The kinds of revocation.
const (
	RevokedToken   RevocationKind = "token"   // subject: jti
	RevokedGrant   RevocationKind = "grant"   // subject: gid
	RevokedSession RevocationKind = "session" // subject: sid
	RevokedClient  RevocationKind = "client"  // subject: client_id; tokens issued at or before Before
	RevokedUser    RevocationKind = "user"    // subject: user id; tokens issued at or before Before
	RevokedKey     RevocationKind = "key"     // subject: kid
	// RevokedPrincipal takes back what names a principal that is no client and no user, or carries a user's memberships:
	// subject "biller:{guid}", "key:{id}", "accounts:{user id}"; tokens issued at or before Before.
	RevokedPrincipal RevocationKind = "principal"
	// RevokedCredential takes back what one credential has proven: subject "{owner}#{key id}", as CredentialName writes it.
	RevokedCredential RevocationKind = "credential"
)

// Revocation is one entry of the journal.
type Revocation struct {
	Position  int64 // number in the changes table; 0 before it is written
	Kind      RevocationKind
	Subject   string
	Before    time.Time // for client, user and principal; zero: whenever issued
	At        time.Time
	ExpiresAt time.Time // when nothing it names can still be alive
	Reason    string
}

// RevocationKey names what an entry takes back, alike in every fast home: the kind, a colon, the subject.
func RevocationKey(kind RevocationKind, subject string) string { return string(kind) + ":" + subject }

// TokenFacts is what a revocation check needs to know of a token.
type TokenFacts struct {
	TokenID   TokenID
	GrantID   GrantID
	SessionID SessionID
	ClientID  ClientID
	UserID    UserID
	KeyID     KeyID
	// Principal is the biller or API key that vouched, or "accounts:{user id}" when the token carries memberships.
	Principal string
	// Credential is the one that proved the principal, as CredentialName writes it.
	Credential string
	IssuedAt   time.Time
	// Offline tokens outlive their session: SessionID is not looked at.
	Offline bool
}

// Mark is a thing that may be used once until it expires: an assertion's jti, a DPoP jti, a signed request.
type Mark struct {
	// Space keeps the users apart: "assertion", "dpop", "hmac".
	Space string
	// Key identifies the thing inside its space, with its owner (client_id and jti); any length, it is hashed.
	Key string
	// IssuedAt is when the thing says it was made (iat); a home that lost its memory accepts later ones only.
	IssuedAt time.Time
	// ExpiresAt is when it can no longer be presented (exp plus leeway).
	ExpiresAt time.Time
}

// IDTokenHint is what a verified id_token_hint tells (OIDC Core §3.1.2.1, RP-Initiated Logout §2).
type IDTokenHint struct {
	UserID    UserID
	SessionID SessionID
	ClientID  ClientID
	IssuedAt  time.Time
}

// LastSecond is the last iat (RFC 7519 §4.1.6, whole Unix seconds) that a revocation at before takes back: before rounded
// up, since a token of the same second cannot be told from an older one. 0 for the zero time: whenever issued.
func LastSecond(before time.Time) int64 {
	if before.IsZero() {
		return 0
	}
	last := before.Unix()
	if before.Nanosecond() > 0 {
		last++
	}
	return last
}
