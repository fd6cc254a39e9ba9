package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
)

// explainAssertion names every fault of an assertion, or of a whole request with one. Nothing is sent, and no signature
// is checked.
func (a *app) explainAssertion(f *partnerTrial) error {
	content, err := readInput(f.explain, a.in)
	if err != nil {
		return err
	}
	if err := f.readCard(); err != nil {
		return err
	}
	assertion, e := assertionForm(string(content))
	partner := f.cardOf().Clients.Partner
	e.Algorithm, e.Now = f.alg, time.Now()
	if e.ClientID = f.clientID; e.ClientID == "" {
		e.ClientID = partner.ClientID
	}
	if kid := f.kid; kid != "" {
		e.KeyIDs = []string{kid}
	} else if partner.KID != "" {
		e.KeyIDs = []string{partner.KID}
	}
	switch server := strings.TrimSuffix(f.server, "/"); {
	case f.audience != "":
		e.Audiences = []string{f.audience}
	case server != "":
		e.Audiences = []string{server, server + "/token"}
	}
	faults := clientauth.Explain(assertion, e)
	if faults == nil {
		faults = []string{}
	}
	if err := a.print(map[string]any{"faults": faults}, func() {
		for i, fault := range faults {
			a.say("%d. %s", i+1, visible(fault))
		}
		if len(faults) == 0 {
			a.say("no fault found; whether the signature fits only the server can tell")
		}
	}); err != nil {
		return err
	}
	switch len(faults) {
	case 0:
		a.next("signet try partner --help")
		return nil
	case 1:
		return errors.New("one fault found")
	default:
		return fmt.Errorf("%d faults found", len(faults))
	}
}

// assertionForm takes the parameters out of a request's body as people paste it, with blanks around = and &. What names no
// parameter is an assertion alone.
func assertionForm(text string) (assertion string, e clientauth.Expectations) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "client_assertion") {
		return text, e
	}
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		value = strings.TrimSpace(value)
		if plain, err := url.QueryUnescape(value); err == nil && strings.Contains(value, "%") {
			value = plain
		}
		switch strings.TrimSpace(name) {
		case "client_assertion":
			assertion = value
		case "client_assertion_type":
			e.AssertionType = value
		case "grant_type":
			e.GrantType = value
		}
	}
	return assertion, e
}
