package pinlogin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// envelope is every answer of the contract, members in the order of document 003 (wire.md, 5).
type envelope struct {
	Status  int     `json:"status"`
	Message string  `json:"message"`
	Data    *tokens `json:"data"`
	// ExecTime is in seconds, 0 on every failure: how long a refusal took is nobody's business.
	ExecTime json.Number `json:"execTime"`
	Error    string      `json:"error"`
}

// tokens is data of a success. The refresh token stands twice: as the document's sample and as its table names it.
type tokens struct {
	AccessToken      string  `json:"access_token"`
	ExpiresIn        int64   `json:"expires_in"`
	RefreshExpiresIn int64   `json:"refresh_expires_in"`
	TokenType        string  `json:"token_type"`
	IDToken          *string `json:"id_token"` // always null
	NotBeforePolicy  int64   `json:"not-before-policy"`
	SessionState     string  `json:"session_state"` // always ""
	Scope            string  `json:"scope"`         // always ""
	RefreshToken     string  `json:"refresh_token"`
	RefreshTokenToo  string  `json:"refreshToken"`
}

const succeeded = "successfully authenticated"

// answer is one row of the table of failures.
type answer struct {
	status         int
	message, error string
}

// answers is the one table from code to answer. Every failed credential, of a login and of a refresh, has the same.
func answers(code signet.Code) answer {
	switch code {
	case signet.CodeInvalidRequest:
		return failure(http.StatusBadRequest)
	case signet.CodeAccessDenied, signet.CodeInvalidGrant, signet.CodeInvalidClient, signet.CodeUnauthorizedClient,
		signet.CodeInvalidToken, signet.CodeUsed, signet.CodeRevoked, signet.CodeExpired:
		return failure(http.StatusUnauthorized)
	case signet.CodeTooLarge:
		return failure(http.StatusRequestEntityTooLarge)
	case signet.CodeUnsupportedMedia:
		return failure(http.StatusUnsupportedMediaType)
	case signet.CodeTooMany:
		return failure(http.StatusTooManyRequests)
	case signet.CodeUnavailable:
		return failure(http.StatusServiceUnavailable)
	default:
		return failure(http.StatusInternalServerError)
	}
}

// failure gives each status its one message and code.
func failure(status int) answer {
	switch status {
	case http.StatusBadRequest:
		return answer{status, "bad request", "invalid_request"}
	case http.StatusUnauthorized:
		return answer{status, "authentication failed", "invalid_credentials"}
	case http.StatusRequestEntityTooLarge:
		return answer{status, "request body too large", "request_too_large"}
	case http.StatusUnsupportedMediaType:
		return answer{status, "unsupported media type", "unsupported_media_type"}
	case http.StatusTooManyRequests:
		return answer{status, "too many attempts", "too_many_attempts"}
	case http.StatusServiceUnavailable:
		return answer{status, "service unavailable", "temporarily_unavailable"}
	default:
		return answer{http.StatusInternalServerError, "internal server error", "server_error"}
	}
}

func (a answer) write(w http.ResponseWriter) {
	web.WriteJSON(w, a.status, envelope{Status: a.status, Message: a.message, ExecTime: "0", Error: a.error})
}

// refuse writes what the HTTP kit itself refuses (413, 429, a panic) in the envelope.
func refuse(w http.ResponseWriter, _ *http.Request, status int) { failure(status).write(w) }

// fail is the one error exit.
func (p *PINLogin) fail(w http.ResponseWriter, r *http.Request, err error, wait time.Duration) {
	ctx := r.Context()
	answer := answers(signet.CodeOf(err))
	web.Note(ctx, "error", answer.error)
	if reason := signet.ReasonOf(err); reason != "" {
		web.Note(ctx, "reason", reason)
	}
	switch answer.status {
	case http.StatusUnauthorized:
		// RFC 9110 §15.5.2 wants a challenge; this scheme is none that a browser would open a dialogue for.
		w.Header().Set("WWW-Authenticate", `PIN realm="signet"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
		web.Note(ctx, "cause", err.Error())
	case http.StatusInternalServerError:
		web.Note(ctx, "cause", err.Error())
	}
	answer.write(w)
}

// succeed writes the tokens of a grant.
func (p *PINLogin) succeed(w http.ResponseWriter, began time.Time, who *principals, issued *signet.IssuedGrant) {
	refresh := issued.RefreshToken.Reveal()
	web.WriteJSON(w, http.StatusOK, envelope{Status: http.StatusOK, Message: succeeded, Data: &tokens{
		AccessToken:      issued.AccessToken,
		ExpiresIn:        int64(issued.ExpiresAt.Sub(issued.IssuedAt) / time.Second),
		RefreshExpiresIn: int64(issued.RefreshExpiresAt.Sub(issued.Now) / time.Second),
		TokenType:        "bearer",
		NotBeforePolicy:  who.notBefore(),
		RefreshToken:     refresh,
		RefreshTokenToo:  refresh,
	}, ExecTime: execTime(p.o.Now().Sub(began), who.app.ExecTime)})
}

// execTime is a number of seconds with up to seven decimals, as in the document's sample, or the whole seconds that its
// table speaks of.
func execTime(took time.Duration, form string) json.Number {
	took = max(0, took)
	if form == execTimeInteger {
		return json.Number(strconv.FormatInt(int64(took/time.Second), 10))
	}
	return json.Number(strconv.FormatFloat(took.Round(100*time.Nanosecond).Seconds(), 'f', -1, 64))
}

// seconds rounds up: who comes back on the dot must not be refused again.
func seconds(wait time.Duration) int { return max(1, int((wait+time.Second-1)/time.Second)) }
