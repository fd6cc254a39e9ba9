package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// floor is the bare server: no checks beyond the cryptography, no records, no events. What it needs nobody can save.
type floor struct {
	es, rs   jose.Signer
	esKey    *ecdsa.PrivateKey
	partner  *ecdsa.PublicKey
	secret   []byte
	jwks     []byte
	redis    *redis.Client
	pool     *pgxpool.Pool
	document []byte
	contractFloor
}

func serveFloor(ctx context.Context, s settings) error {
	f, err := newFloor(ctx, s)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", f.bytes(func() []byte { return f.document }))
	mux.HandleFunc("GET /.well-known/jwks.json", f.bytes(func() []byte { return f.jwks }))
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("POST /introspect", f.introspect)
	mux.HandleFunc("GET /userinfo", f.userinfo)
	mux.HandleFunc("GET /authorize", f.authorize)
	mux.HandleFunc("POST /partner-key", f.setPartner)
	if err := f.contracts(mux); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func newFloor(ctx context.Context, s settings) (*floor, error) {
	esKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rsKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	f := &floor{esKey: esKey, secret: make([]byte, 32)}
	_, _ = rand.Read(f.secret)
	options := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "floor")
	if f.es, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: esKey}, options); err != nil {
		return nil, err
	}
	if f.rs, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: rsKey}, options); err != nil {
		return nil, err
	}
	f.jwks, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: esKey.Public(), KeyID: "floor-es", Algorithm: "ES256", Use: "sig"},
		{Key: rsKey.Public(), KeyID: "floor-rs", Algorithm: "RS256", Use: "sig"},
	}})
	if err != nil {
		return nil, err
	}
	f.document = []byte(`{"issuer":"http://127.0.0.1","pad":"` + strings.Repeat("x", 1800) + `"}`)
	f.redis = redis.NewClient(&redis.Options{Addr: s.redis, DisableIdentity: true})
	if f.pool, err = pgxpool.New(ctx, s.postgres); err != nil {
		return nil, err
	}
	_, err = f.pool.Exec(ctx, `drop table if exists floor_grants, floor_codes, floor_refresh;
		create table floor_grants (id text primary key, data text not null);
		create table floor_codes (hash bytea primary key, grant_id text not null, used_at timestamp);
		create table floor_refresh (hash bytea primary key, parent bytea, grant_id text not null, used_at timestamp)`)
	return f, err
}

func (f *floor) bytes(body func() []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body())
	}
}

type floorClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	Expires  int64  `json:"exp"`
	Issued   int64  `json:"iat"`
	ID       string `json:"jti"`
	Grant    string `json:"gid,omitempty"`
}

func (f *floor) mint(signer jose.Signer, grant string) (string, error) {
	now := time.Now().Unix()
	payload, err := json.Marshal(floorClaims{"http://127.0.0.1", "client:bench", "http://127.0.0.1", "bench", "openid",
		now + 3600, now, text(16), grant})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (f *floor) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		fail(w, err)
		return
	}
	answer := map[string]any{"token_type": "Bearer", "expires_in": 3600}
	var grant string
	var err error
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		err = f.client(r)
	case "refresh_token":
		grant = "g"
		answer["refresh_token"], err = f.refresh(r.Context(), r.PostForm.Get("refresh_token"))
	case "authorization_code":
		grant = "g"
		answer["refresh_token"], err = f.redeem(r.Context(), r.PostForm.Get("code"))
	case grantExchange:
		f.hash(r.PostForm.Get("subject_token"))
	case grantIdentity:
		answer["access_token"], err = f.grantIdentity(r)
	}
	if err == nil && answer["access_token"] == nil {
		answer["access_token"], err = f.mint(f.es, grant)
	}
	if err == nil && grant != "" {
		answer["id_token"], err = f.mint(f.rs, "")
	}
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer)
}

// client does the unavoidable part of client authentication: one HMAC for a secret; one verification and one
// SET NX for an assertion.
func (f *floor) client(r *http.Request) error {
	assertion := r.PostForm.Get("client_assertion")
	if assertion == "" {
		_, secret, _ := r.BasicAuth()
		f.hash(secret)
		return nil
	}
	signed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	payload, err := signed.Verify(f.partner)
	if err != nil {
		return err
	}
	var claims floorClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	return f.redis.SetNX(r.Context(), "floor:"+claims.ID, 1, time.Minute).Err()
}

func (f *floor) hash(secret string) []byte {
	mac := hmac.New(sha256.New, f.secret)
	mac.Write([]byte(secret))
	return mac.Sum(nil)
}

func (f *floor) refresh(ctx context.Context, token string) (string, error) {
	hash := f.hash(token)
	var grant string
	if err := f.pool.QueryRow(ctx, "select grant_id from floor_refresh where hash = $1", hash).Scan(&grant); err != nil {
		return "", err
	}
	next := base64.RawURLEncoding.EncodeToString(f.hash(token + grant))
	return next, pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "update floor_refresh set used_at = $2 where hash = $1 and used_at is null", hash, time.Now().UTC()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into floor_refresh (hash, parent, grant_id) values ($1, $2, $3)", f.hash(next), hash, grant)
		return err
	})
}

func (f *floor) authorize(w http.ResponseWriter, r *http.Request) {
	code, grant := text(32), text(16)
	err := pgx.BeginFunc(r.Context(), f.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(r.Context(), "insert into floor_grants (id, data) values ($1, $2)", grant, "{}"); err != nil {
			return err
		}
		_, err := tx.Exec(r.Context(), "insert into floor_codes (hash, grant_id) values ($1, $2)", f.hash(code), grant)
		return err
	})
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Location", r.URL.Query().Get("redirect_uri")+"?code="+code)
	w.WriteHeader(http.StatusSeeOther)
}

func (f *floor) redeem(ctx context.Context, code string) (string, error) {
	hash := f.hash(code)
	var grant string
	const read = "select c.grant_id from floor_codes c join floor_grants g on g.id = c.grant_id where c.hash = $1"
	if err := f.pool.QueryRow(ctx, read, hash).Scan(&grant); err != nil {
		return "", err
	}
	token := text(32)
	return token, pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "update floor_codes set used_at = $2 where hash = $1 and used_at is null", hash, time.Now().UTC()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into floor_refresh (hash, grant_id) values ($1, $2)", f.hash(token), grant)
		return err
	})
}

func (f *floor) verify(ctx context.Context, token string) (floorClaims, error) {
	var claims floorClaims
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return claims, err
	}
	payload, err := signed.Verify(f.esKey.Public())
	if err != nil {
		return claims, err
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return claims, err
	}
	pipe := f.redis.Pipeline()
	for _, key := range []string{"floor:epoch", "floor:t:" + claims.ID, "floor:c:" + claims.ClientID, "floor:g:" + claims.Grant} {
		pipe.Get(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
		return claims, err
	}
	return claims, nil
}

func (f *floor) introspect(w http.ResponseWriter, r *http.Request) {
	_, secret, _ := r.BasicAuth()
	f.hash(secret)
	claims, err := f.verify(r.Context(), r.PostFormValue("token"))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Active bool `json:"active"`
		floorClaims
	}{true, claims})
}

func (f *floor) userinfo(w http.ResponseWriter, r *http.Request) {
	claims, err := f.verify(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"sub": claims.Subject, "name": "Bench", "email": "bench@example.com"})
}

// setPartner takes the public key of the driver's assertions.
func (f *floor) setPartner(w http.ResponseWriter, r *http.Request) {
	var key jose.JSONWebKey
	if err := json.NewDecoder(r.Body).Decode(&key); err != nil {
		fail(w, err)
		return
	}
	public, ok := key.Key.(*ecdsa.PublicKey)
	if !ok {
		fail(w, fmt.Errorf("not an EC key"))
		return
	}
	f.partner = public
}

func fail(w http.ResponseWriter, err error) { http.Error(w, err.Error(), http.StatusBadRequest) }

func text(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
