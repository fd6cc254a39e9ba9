package oauth

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// userInfo is the answer of the UserInfo endpoint (OIDC Core §5.3.2).
type userInfo struct {
	Subject signet.UserID `json:"sub"`
	userClaims
}

// userinfo is GET and POST /userinfo.
//
//	one token, by one way ─▶ live? ─▶ client's origins ─▶ scope openid ─▶ claims
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	answer, challenge, err := s.userInfoOf(w, r)
	if err != nil {
		s.noteFault(r.Context(), err)
		writeBearerError(w, err, challenge)
		return
	}
	noStore(w.Header())
	web.WriteJSON(w, http.StatusOK, answer)
}

// userInfoOf returns the answer. challenge is false when no token was sent: RFC 6750 §3.1 wants no error code then.
func (s *Server) userInfoOf(w http.ResponseWriter, r *http.Request) (answer *userInfo, challenge bool, err error) {
	raw, err := bearerToken(r)
	if err != nil {
		return nil, true, err
	}
	if raw == "" {
		return nil, false, invalidToken("token_missing")
	}
	p, err := s.liveAccess(r.Context(), raw)
	if err != nil {
		return nil, true, err
	}
	if err := p.held(r); err != nil {
		return nil, true, err
	}
	if p.client == nil {
		web.RestrictOrigin(w, r, nil)
		return nil, true, signet.NewError(signet.CodeInsufficientScope, "", "token_of_no_client")
	}
	web.RestrictOrigin(w, r, p.client.Origins)
	web.Note(r.Context(), "client_id", string(p.client.ID))
	// A client's, biller's, key's or PIN application's token speaks of no person, and a token without openid was not meant
	// for this (SCO-08).
	if p.user == nil || p.user.ID.Application() || !p.scope.Has(signet.ScopeOpenID) {
		return nil, true, signet.NewError(signet.CodeInsufficientScope, "", "openid_scope_missing")
	}
	return &userInfo{
		Subject: p.user.ID, userClaims: userInfoClaims(p.client, p.user, p.scope, p.claims.UserInfo),
	}, true, nil
}

// bearerToken finds the one access token of the request (RFC 6750 §2): in the header or in the form, never in the URL,
// never twice. "" when there is none. Errors: CodeInvalidRequest and what web.Form returns.
func bearerToken(r *http.Request) (string, error) {
	if r.URL.RawQuery != "" {
		// RFC 6750 §2.3, RFC 9700 §4.3.2: a token in a URL is in logs and in the history already.
		return "", signet.NewError(signet.CodeInvalidRequest, "The URL must carry no parameters.", "query_at_userinfo")
	}
	var tokens []string
	for _, value := range r.Header.Values("Authorization") {
		scheme, token, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", invalidToken("scheme_unknown")
		}
		tokens = append(tokens, strings.TrimLeft(token, " "))
	}
	if r.Method == http.MethodPost {
		params, err := web.Form(r)
		if err != nil {
			return "", err
		}
		if _, sent := params["access_token"]; sent {
			tokens = append(tokens, params.Get("access_token"))
		}
	}
	switch len(tokens) {
	case 0:
		return "", nil
	case 1:
		return tokens[0], nil
	default:
		return "", signet.NewError(signet.CodeInvalidRequest, "The access token was sent more than once.", "token_twice")
	}
}

// writeBearerError is RFC 6750 §3: the error in the challenge, and in the body for those who look there.
func writeBearerError(w http.ResponseWriter, err error, challenge bool) {
	out := protocolErrorOf(err)
	if out.Status == http.StatusUnauthorized || out.Status == http.StatusForbidden || out.Status == http.StatusBadRequest {
		value := `Bearer realm="signet"`
		if challenge {
			value += `, error="` + out.Name + `", error_description="` + out.Description + `"`
		}
		if out.Status == http.StatusForbidden {
			value += `, scope="` + signet.ScopeOpenID + `"`
		}
		w.Header().Set("WWW-Authenticate", value)
	}
	if out.Status == http.StatusServiceUnavailable || out.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(err)))
	}
	noStore(w.Header())
	web.WriteJSON(w, out.Status, errorBody{Error: out.Name, Description: out.Description})
}
