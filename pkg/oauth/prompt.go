package oauth

import (
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// prompt is the set of values of the prompt parameter (OIDC Core §3.1.2.1).
type prompt uint8

const (
	promptNone prompt = 1 << iota
	promptLogin
	promptConsent
	promptSelectAccount
)

// has reports whether p contains value.
func (p prompt) has(value prompt) bool { return p&value != 0 }

// promptValues are the values as they are written, in the order of the metadata.
func promptValues() []string { return []string{"none", "login", "consent", "select_account"} }

// parsePrompt reads the space-separated, case-sensitive list. none must stand alone; an unknown value is refused, since
// ignoring a demand for interaction would answer without it. Error: CodeInvalidRequest.
func parsePrompt(text string) (prompt, error) {
	var out prompt
	for value := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' }) {
		switch value {
		case "none":
			out |= promptNone
		case "login":
			out |= promptLogin
		case "consent":
			out |= promptConsent
		case "select_account":
			out |= promptSelectAccount
		default:
			return 0, signet.NewError(signet.CodeInvalidRequest, "The prompt parameter has an unknown value.", "prompt_unknown")
		}
	}
	if out.has(promptNone) && out != promptNone {
		return 0, signet.NewError(signet.CodeInvalidRequest, "The prompt value none cannot be combined with others.", "prompt_none_combined")
	}
	return out, nil
}
