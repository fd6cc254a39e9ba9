package clientauth

import "slices"

// departures names the exceptions of the client's record that an accepted assertion needed: without each of them it would
// have been refused (wire.md, Rules for all five: every departure is counted, so that it can be ended). The names are
// those of the record's members.
func (a *Authenticator) departures(p *examined) []string {
	claims := &p.assertion.claims
	var used []string
	if claims.aud != a.issuer {
		if slices.Contains(a.tokenEndpoints, claims.aud) {
			used = append(used, "assertion_audience")
		} else {
			used = append(used, "assertion_audiences")
		}
	}
	if claims.audArray {
		used = append(used, "assertion_audience_array")
	}
	if claims.exp.text || claims.iat.text || claims.nbf.text {
		used = append(used, "assertion_string_dates")
	}
	if claims.exp.at.Sub(claims.iat.at) > defaultLifetime {
		used = append(used, "assertion_max_lifetime")
	}
	return used
}
