package oauth

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// FuzzClaimsParameter: what is read is a JSON object and bounded, and asks for what a plain reading of OIDC Core §5.5 finds
// in it: names are compared as they stand, whatever is unknown is ignored.
func FuzzClaimsParameter(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", `{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"acr":{"values":["a","b"]}}}`,
		`{"id_token":{"sub":{"value":"s"}}}`, `{"id_token":{"acr":{"values":"a"}}}`, `{"UserInfo":{"name":null}}`, `{"userinfo":{"name":{"Essential":true}}}`,
		`{"userinfo":[]}`, strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50), `{"a":"\ud800"}`, `{"userinfo":{"a":{"value":1e999}}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseClaimsParameter(text)
		if err != nil {
			if signet.CodeOf(err) != signet.CodeInvalidRequest {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if text == "" {
			return
		}
		var plain map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &plain); err != nil || plain == nil || len(text) > maxClaimsBytes {
			t.Fatalf("%q is read: %v", text, err)
		}
		for place, asked := range map[string]map[string]claimRequest{"userinfo": got.UserInfo, "id_token": got.IDToken} {
			var names map[string]json.RawMessage
			if raw, there := plain[place]; there {
				_ = json.Unmarshal(raw, &names) // what is no object was refused
			}
			if len(names) != len(asked) {
				t.Fatalf("%q: %s asks for %v, read as %v", text, place, names, asked)
			}
			for name, request := range asked {
				var members map[string]json.RawMessage
				if _, there := names[name]; !there || json.Unmarshal(names[name], &members) != nil {
					t.Fatalf("%q: %s.%s was not asked for", text, place, name)
				}
				if request.Essential != (string(members["essential"]) == "true") || len(request.Values) > 0 && members["value"] == nil && members["values"] == nil {
					t.Fatalf("%q: %s.%s is %+v", text, place, name, request)
				}
			}
		}
		if again, err := parseClaimsParameter(text); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%q is read as %+v, then as %+v", text, got, again)
		}
	})
}
