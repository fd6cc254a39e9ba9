package clientauth_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Every exception that let an assertion in is named, and none that the assertion did not need.
func TestDepartures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	client := w.keyClient(t, "pk", key)
	client.AssertionAudience, client.AssertionAudienceArray, client.AssertionStringDates = "token_endpoint", true, true
	client.AssertionMaxLifetime = 3600
	client.AssertionAudiences = []signet.AssertionAudience{{Value: "https://old.test/auth", Until: start.Add(time.Hour)}}
	cases := []struct {
		name   string
		change map[string]any
		want   []string
	}{
		{"nothing needed", nil, nil},
		{"the token endpoint", map[string]any{"aud": endpoint}, []string{"assertion_audience"}},
		{"a listed audience", map[string]any{"aud": "https://old.test/auth"}, []string{"assertion_audiences"}},
		{"an array", map[string]any{"aud": []string{issuer}}, []string{"assertion_audience_array"}},
		{"a date as string", map[string]any{"exp": fmt.Sprint(start.Add(time.Minute).Unix())}, []string{"assertion_string_dates"}},
		{"iat as string", map[string]any{"iat": fmt.Sprint(start.Unix())}, []string{"assertion_string_dates"}},
		{"nbf as string", map[string]any{"nbf": fmt.Sprint(start.Unix())}, []string{"assertion_string_dates"}},
		{"five minutes", map[string]any{"exp": start.Add(5 * time.Minute).Unix()}, nil},
		{"half an hour", map[string]any{"exp": start.Add(30 * time.Minute).Unix()}, []string{"assertion_max_lifetime"}},
		{"two at once", map[string]any{"aud": []string{endpoint}, "exp": start.Add(30 * time.Minute).Unix()},
			[]string{"assertion_audience", "assertion_audience_array", "assertion_max_lifetime"}},
	}
	for i, c := range cases {
		change := map[string]any{"jti": fmt.Sprint("departure ", i)}
		for name, value := range c.change {
			change[name] = value
		}
		result, err := w.assert(key.sign(t, key.header(), with(change)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Equal(result.Departures, c.want) {
			t.Errorf("%s: %v, want %v", c.name, result.Departures, c.want)
		}
	}
}
