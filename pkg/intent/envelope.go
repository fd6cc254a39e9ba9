package intent

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// The sentences of the document.
const (
	messageInvalid = "JWT token is invalid."
	messageExpired = "JWT token has expired."
)

// created is the answer of create; members stand in the document's order, and all of them always.
type created struct {
	Message *string
	Payload *payload
	Token   *string
}

// validated is the answer of validate.
type validated struct {
	Message *string
	Payload *payload
	Token   *string
	Valid   bool
}

// payload is the claims as the envelope shows them: in alphabetical order.
type payload struct {
	Audience  string        `json:"aud"`
	DCN       string        `json:"dcn"`
	Device    string        `json:"device"`
	ExpiresAt date          `json:"exp"`
	IssuedAt  date          `json:"iat"`
	Instance  string        `json:"inst"`
	Issuer    string        `json:"iss"`
	Subject   string        `json:"sub"`
	Methods   []shownMethod `json:"supportedPaymentMethods"`
}

type shownMethod struct {
	Attributes []attribute `json:"attributes"`
	Src        string      `json:"src"`
	Type       string      `json:"type"`
}

func (c *claims) payload() *payload {
	p := &payload{Audience: c.Audience, DCN: c.DCN, Device: c.Device, ExpiresAt: c.ExpiresAt, IssuedAt: c.IssuedAt,
		Instance: c.Instance, Issuer: c.Issuer, Subject: c.Subject, Methods: make([]shownMethod, 0, len(c.Methods))}
	for _, m := range c.Methods {
		p.Methods = append(p.Methods, shownMethod{Attributes: m.Attributes, Src: m.Src, Type: m.Type})
	}
	return p
}

// answer is a status with its sentence.
type answer struct {
	status  int
	message string
}

// answers is the one table from code to answer. A credential that is refused gets one answer, whatever was wrong with it;
// what is not in the table is a 500 without detail.
func answers(code signet.Code) answer {
	switch code {
	case signet.CodeInvalidRequest:
		return answer{http.StatusBadRequest, "The request is malformed."}
	case signet.CodeInvalidToken:
		return answer{http.StatusUnauthorized, "Authentication failed."}
	case signet.CodeTooLarge:
		return answer{http.StatusRequestEntityTooLarge, "The body is larger than 64 KiB."}
	case signet.CodeUnsupportedMedia:
		return answer{http.StatusUnsupportedMediaType, "Send application/json in UTF-8."}
	case signet.CodeTooMany:
		return answer{http.StatusTooManyRequests, "Too many attempts; try again later."}
	case signet.CodeUnavailable:
		return answer{http.StatusServiceUnavailable, "Try again shortly."}
	default:
		return answer{http.StatusInternalServerError, "Something went wrong on our side."}
	}
}

// refusal is what the kit refuses on its own (413, 429, 500), in the same words.
func refusal(status int) *string {
	code := signet.CodeInternal
	switch status {
	case http.StatusRequestEntityTooLarge:
		code = signet.CodeTooLarge
	case http.StatusTooManyRequests:
		code = signet.CodeTooMany
	}
	message := answers(code).message
	return &message
}

func refuseCreate(w http.ResponseWriter, _ *http.Request, status int) {
	writeEnvelope(w, status, created{Message: refusal(status)})
}

func refuseValidate(w http.ResponseWriter, _ *http.Request, status int) {
	writeEnvelope(w, status, validated{Message: refusal(status)})
}

// fail works out the status and the sentence of an error, sets the headers that go with it and notes the rest.
func (c *call) fail(err error) (status int, message string) {
	code := signet.CodeOf(err)
	known := answers(code)
	status, message = known.status, known.message
	var detail *signet.Error
	if status == http.StatusBadRequest && errors.As(err, &detail) && detail.Message != "" {
		message = detail.Message
	}
	ctx := c.r.Context()
	web.Note(ctx, "error", string(code))
	if reason := signet.ReasonOf(err); reason != "" {
		web.Note(ctx, "reason", reason)
	}
	h := c.w.Header()
	switch status {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = []string{`Bearer realm="signet"`, `Basic realm="signet", charset="UTF-8"`}
	case http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(max(1, c.retryAfter)))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	if status >= http.StatusInternalServerError {
		web.Note(ctx, "cause", err.Error())
	}
	return status, message
}

// writeEnvelope writes compact JSON. The document prints it with blanks and with "\/" for "/", which is the same JSON;
// "&" stands as it is there. "<" and ">" are escaped: a caller's own text must be harmless wherever it is shown.
func writeEnvelope(w http.ResponseWriter, status int, envelope any) {
	body, err := plainJSON(envelope)
	if err != nil {
		web.WriteJSON(w, http.StatusInternalServerError, created{})
		return
	}
	body = bytes.ReplaceAll(body, []byte("<"), []byte(`\u003c`))
	body = bytes.ReplaceAll(body, []byte(">"), []byte(`\u003e`))
	web.WriteJSONBytes(w, status, body)
}

// plainJSON is json.Marshal without the escapes for HTML: a token's payload has none.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
