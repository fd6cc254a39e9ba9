package grid

import "maps"

// state is what a principal is in.
type state string

// The states. Of a rotation there are two columns, for who uses the older credential and who uses the newer one.
const (
	active      state = "active"
	disabled    state = "disabled"
	again       state = "enabled again"
	gone        state = "gone" // never existed; of a membership: ended
	rotatedOld  state = "rotated, older"
	rotatedNew  state = "rotated, newer"
	endedOld    state = "ended, older"
	endedNew    state = "ended, newer"
	locked      state = "locked"
	lockedAway  state = "locked elsewhere" // strangers guess, from another network: the rightful caller goes on
	invalidUser       = "401 invalid_client"
	busy              = "429 temporarily_unavailable"
)

var states = []state{disabled, again, gone, rotatedOld, rotatedNew, endedOld, endedNew, locked, lockedAway}

// principals are who can be in a state, besides what lives and dies with them.
var principals = []string{"web", "service", "partner", "system", "asker", "user", "member", "account", "apikey", "device", "intentkey",
	"biller", "hmac", "server", "invoices", "pin", "aes"}

// cells are the refusals of a door: by principal and state.
type cells map[string]map[state]string

// expect is the rule of the whole grid: a door lets its callers in unless something that it stands on is not active.
// Whatever is not named is ok, and what is ok must be seen to be.
func (d *door) expect(principal string, in state) string {
	if refusal := d.refused[principal][in]; refusal != "" {
		return refusal
	}
	return ok
}

// merge lays refusals over each other; the last one counts.
func merge(all ...cells) cells {
	out := cells{}
	for _, one := range all {
		for principal, refusals := range one {
			if out[principal] == nil {
				out[principal] = map[state]string{}
			}
			maps.Copy(out[principal], refusals)
		}
	}
	return out
}

// prefixed is for doors that first make the token.
func prefixed(of cells) cells {
	out := cells{}
	for principal, refusals := range of {
		out[principal] = map[state]string{}
		for in, refusal := range refusals {
			out[principal][in] = "no token: " + refusal
		}
	}
	return out
}

// authenticates: the client proves itself at the door (RFC 6749 §2.3).
func authenticates(client string) cells {
	return cells{client: {disabled: invalidUser, gone: invalidUser, endedOld: invalidUser, locked: busy}}
}

// making is who can keep a token of the kind from being made.
func making(kind string) cells {
	switch kind {
	case "user", "refresh", "code":
		return cells{
			"web":  {disabled: "page 400", gone: "page 400", endedOld: invalidUser, locked: busy},
			"user": {disabled: "login 200", gone: "login 200", endedOld: "login 200", locked: "login 429"},
		}
	case "machine":
		return authenticates("service")
	case "assertion":
		return authenticates("partner")
	case "system":
		return authenticates("system")
	case "key":
		return keyCells("400 invalid_request") // RFC 8693 §2.2.2
	case "pin", "pin refresh":
		const refused = "401 invalid_credentials"
		return cells{
			"pin": {disabled: refused, gone: refused, endedOld: refused, locked: "429 too_many_attempts"},
			"aes": {gone: refused, endedOld: refused},
		}
	case "payer":
		return merge(billerCells("400 invalid_grant", busy), cells{"server": {disabled: "400 invalid_target", gone: "400 invalid_target"}})
	case "payer reads", "invoice":
		return merge(billerCells("400 invalid_grant", busy), cells{"invoices": {disabled: "400 invalid_target"}})
	case "intent":
		return keyCells("401 Authentication failed.")
	}
	return nil
}

// dying is who takes tokens of the kind with them, and what a door says of one then. Enabled again, the principal gets
// new tokens; the old ones stay dead (design.md, decision 6).
func dying(kind, dead string) cells {
	off := map[state]string{disabled: dead, again: dead}
	// A new password or PIN ends what the old one began: whoever knew it is out.
	person := map[state]string{disabled: dead, again: dead, endedOld: dead, endedNew: dead}
	key := map[state]string{endedOld: dead, endedNew: dead}
	switch kind {
	case "user":
		// The token carries memberships.
		return cells{"web": off, "user": person, "member": {gone: dead, again: dead}, "account": off}
	case "refresh", "code":
		return cells{"web": off, "user": person}
	case "machine":
		return cells{"service": off}
	case "assertion":
		return cells{"partner": off}
	case "system":
		return cells{"system": off}
	case "key":
		return cells{"apikey": person, "account": off}
	case "pin", "pin refresh":
		return cells{"pin": person}
	case "payer":
		return cells{"biller": off, "hmac": key}
	case "payer reads", "invoice":
		return cells{"biller": off, "hmac": key}
	case "intent":
		return cells{"account": off, "intentkey": {endedOld: dead, endedNew: dead, gone: dead}}
	}
	return nil
}

// keyCells: an API key is shown at the door, or stands for its account. A right key is let in however often its network
// failed.
func keyCells(refused string) cells {
	return cells{"apikey": {disabled: refused, gone: refused, endedOld: refused}, "account": {disabled: refused}}
}

func deviceCells() cells {
	const refused = "401 Authentication failed."
	return cells{"device": {disabled: refused, gone: refused, locked: "429 Too many attempts; try again later."}, "account": {disabled: refused}}
}

func billerCells(refused, throttled string) cells {
	return cells{"biller": {disabled: refused, gone: refused, locked: throttled}, "hmac": {gone: refused, endedOld: refused}}
}

// legacyCells: document 000 has one answer for everything that is wrong.
func legacyCells() cells {
	return merge(billerCells("401 Unauthorized", "429 Too Many Requests"), cells{"server": {disabled: "401 Unauthorized"}})
}

// invoiceAPI is signet's own resource server.
func invoiceAPI() cells { return cells{"invoices": {disabled: "401 Unauthorized"}} }
