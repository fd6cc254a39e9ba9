package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/argon2"
)

// contractFloor is the unavoidable work of the five contracts: for identities one HMAC, one mark, one ES256 signature and
// one encryption by the libraries that signet uses; for API keys one keyed hash.
type contractFloor struct {
	recipient jose.Recipient
	key       []byte // every caller's
	salt      []byte
}

func (f *floor) contracts(mux *http.ServeMux) error {
	recipient, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	f.recipient = jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: recipient.Public(), KeyID: "floor"}
	f.key, f.salt = make([]byte, 32), make([]byte, 16)
	mux.HandleFunc("POST /api/v1/payertokens", f.identity)
	mux.HandleFunc("POST /api/v1/tokens", f.identity)
	mux.HandleFunc("POST /api/permissions/check", f.permission)
	mux.HandleFunc("GET /api/account-memberships", f.membership)
	mux.HandleFunc("POST /payment/api/jwt/create", f.createIntent)
	mux.HandleFunc("POST /payment/api/jwt/validate", f.validateIntent)
	mux.HandleFunc("POST /auth", f.pinLogin)
	return nil
}

// exchange is an identity from its signature to its encrypted token. Without a person it is an invoice's, which is counted
// and not marked.
func (f *floor) exchange(ctx context.Context, input, sent, person string) (string, error) {
	presented, err := hex.DecodeString(sent)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, f.key)
	mac.Write([]byte(input))
	if subtle.ConstantTimeCompare(mac.Sum(nil), presented) == 2 {
		return "", errors.New("never: the floor has no key to compare with")
	}
	if person == "" {
		err = f.redis.Incr(ctx, "floor:invoice").Err()
	} else {
		err = f.redis.SetNX(ctx, "floor:"+person, 1, time.Minute).Err()
	}
	if err != nil {
		return "", err
	}
	signed, err := f.mint(f.es, "")
	if err != nil {
		return "", err
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, f.recipient, (&jose.EncrypterOptions{}).WithContentType("JWT"))
	if err != nil {
		return "", err
	}
	sealed, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		return "", err
	}
	return sealed.CompactSerialize()
}

func (f *floor) identity(w http.ResponseWriter, r *http.Request) {
	var in struct {
		BillerGUID  string `json:"billerGuid"`
		InvoiceGUID string `json:"invoiceGuid"`
		UserGUID    string `json:"userGuid"`
		Timestamp   string `json:"timestamp"`
		HMAC        string `json:"hmac"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	var token string
	if err == nil {
		token, err = f.exchange(r.Context(), in.BillerGUID+"|"+in.InvoiceGUID+in.UserGUID+"|"+in.Timestamp, in.HMAC, in.UserGUID)
	}
	reply(w, map[string]string{"token": token}, err)
}

// grantIdentity is the same at /token, whose form has been parsed.
func (f *floor) grantIdentity(r *http.Request) (string, error) {
	get := r.PostForm.Get
	return f.exchange(r.Context(), get("biller_id")+"|"+get("user_id")+"|"+get("timestamp"), get("hmac"), get("user_id"))
}

func (f *floor) permission(w http.ResponseWriter, r *http.Request) {
	var in struct{ Permission, AccountID string }
	f.hash(r.Header.Get("X-Api-Key"))
	err := json.NewDecoder(r.Body).Decode(&in)
	reply(w, map[string]any{"allowed": true, "role": "account-owner", "because": "own"}, err)
}

func (f *floor) membership(w http.ResponseWriter, r *http.Request) {
	f.hash(r.Header.Get("X-Api-Key"))
	reply(w, []map[string]string{{"accountId": "a", "accountName": "Corner Shop", "accountType": "org", "role": "account-owner"}}, nil)
}

func (f *floor) createIntent(w http.ResponseWriter, r *http.Request) {
	var in struct{ Audience, Subject string }
	f.hash(r.Header.Get("X-Api-Key"))
	err := json.NewDecoder(r.Body).Decode(&in)
	payload := map[string]any{"aud": in.Audience, "sub": in.Subject, "iat": "1", "exp": "2", "iss": "signet", "inst": text(16), "dcn": "",
		"device": "", "supportedPaymentMethods": []map[string]any{{"type": "CreditCard", "src": "URL", "attributes": nil}, {"type": "ECheck", "src": "URL", "attributes": nil}}}
	var body []byte
	if err == nil {
		body, err = json.Marshal(payload)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	token := signed + "." + base64.RawURLEncoding.EncodeToString(f.hash(signed))
	reply(w, map[string]any{"Message": "", "Payload": payload, "Token": token}, err)
}

func (f *floor) validateIntent(w http.ResponseWriter, r *http.Request) {
	var in struct{ Token string }
	f.hash(r.Header.Get("X-Api-Key"))
	err := json.NewDecoder(r.Body).Decode(&in)
	at := strings.LastIndexByte(in.Token, '.')
	_, body, _ := strings.Cut(in.Token[:max(at, 0)], ".")
	var payload map[string]any
	if err == nil && base64.RawURLEncoding.EncodeToString(f.hash(in.Token[:max(at, 0)])) != in.Token[at+1:] {
		err = errors.New("signature")
	}
	var plain []byte
	if err == nil {
		plain, err = base64.RawURLEncoding.DecodeString(body)
	}
	if err == nil {
		err = json.Unmarshal(plain, &payload)
	}
	reply(w, map[string]any{"Message": nil, "Payload": payload, "Token": in.Token, "Valid": true}, err)
}

// pinLogin opens the PIN, hashes it once with signet's parameters, and writes one grant and one refresh token.
func (f *floor) pinLogin(w http.ResponseWriter, r *http.Request) {
	var in struct{ Username, Password string }
	err := json.NewDecoder(r.Body).Decode(&in)
	if err == nil {
		err = f.openPIN(in.Username, in.Password)
	}
	access, refresh, grant := text(32), text(32), text(16)
	if err == nil {
		err = pgx.BeginFunc(r.Context(), f.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(r.Context(), "insert into floor_grants (id, data) values ($1, $2)", grant, "{}"); err != nil {
				return err
			}
			_, err := tx.Exec(r.Context(), "insert into floor_refresh (hash, parent, grant_id) values ($1, $2, $3)", f.hash(refresh), f.hash(access), grant)
			return err
		})
	}
	reply(w, map[string]any{"status": 200, "data": map[string]any{"access_token": access, "refresh_token": refresh}}, err)
}

func (f *floor) openPIN(username, password string) error {
	sealed, err := base64.StdEncoding.DecodeString(password)
	if err != nil {
		return err
	}
	aead, err := newGCM(f.key)
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(username))
	if err != nil {
		return err
	}
	argon2.IDKey(plain, f.salt, 2, 19*1024, 1, 32)
	return nil
}

func reply(w http.ResponseWriter, body any, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
