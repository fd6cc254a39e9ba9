package admin

import (
	"errors"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// The bounds of a biller's record.
const (
	maxBillerToken    = signet.Seconds(86400)
	maxTimestampPast  = signet.Seconds(3600)
	maxTimestampAhead = signet.Seconds(60) // as far as a replay mark's epoch looks ahead (design.md, Replay marks)
	maxPerMinute      = 10_000
	maxServers        = 20
	maxMigrationYears = 2
)

// billerProblems judges a biller's metadata; every problem of its own members is named at once, then the scheme, then
// what it points at. Errors: CodeInvalidRequest, CodeUnavailable.
func (a *Admin) billerProblems(c *call, m *signet.BillerMetadata) error {
	var j faults
	j.need(m.Name != "" && textOK(m.Name, 120), "name", "must have 1 to 120 characters, none of them invisible")
	j.need(m.ClientID == "" || clientIDs.MatchString(string(m.ClientID)), "client_id", "must be a client_id")
	j.need(!m.RequireClient || m.ClientID != "", "require_client", "needs a client_id")
	j.need(clientIDs.MatchString(m.DefaultResourceServer), "default_resource_server", "must be the id of a resource server")
	j.need(len(m.ResourceServers) <= maxServers, "resource_servers", "may hold at most 20")
	for _, id := range m.ResourceServers {
		j.need(clientIDs.MatchString(id), "resource_servers", "must be ids of resource servers")
	}
	j.machineScope(&m.Scope)
	j.billerTimes(m)
	if until := m.PayerRepeatsUntil; until != nil {
		j.need(until.Before(a.o.Now().AddDate(maxMigrationYears, 0, 0)), "payer_repeats_until", "must be within two years")
	}
	j.need(m.LiveSource == "" || liveSource(m.LiveSource), "live_source", "must be an https URL with {invoiceGuid} once in its path or query")
	if err := j.refuse("biller_metadata"); err != nil {
		return err
	}
	if err := judged(a.o.Contracts.CheckScheme(m.Scheme), "scheme"); err != nil {
		return err
	}
	return a.billerLinks(c, m)
}

func (j *faults) billerTimes(m *signet.BillerMetadata) {
	j.need(m.TokenLifetime >= 0 && m.TokenLifetime <= maxBillerToken, "token_lifetime", "must be 0 to 86400 seconds")
	j.need(m.TimestampPast >= 0 && m.TimestampPast <= maxTimestampPast, "timestamp_past", "must be 0 to 3600 seconds")
	j.need(m.TimestampAhead >= 0 && m.TimestampAhead <= maxTimestampAhead, "timestamp_ahead", "must be 0 to 60 seconds")
	j.need(m.InvoicePerMinute >= 0 && m.InvoicePerMinute <= maxPerMinute, "invoice_per_minute", "must be 0 to 10000")
}

// machineScope normalises a scope of tokens that no person stands behind: what speaks of one is refused (OIDC Core
// §3.1.3: an ID token for a machine).
func (j *faults) machineScope(text *string) {
	for _, token := range j.scopeOf(text) {
		j.need(!signet.ScopeOfPerson(token), "scope", "may not hold "+token)
	}
}

// scopeOf reads a scope and writes it back in one spelling; nil when it is none.
func (j *faults) scopeOf(text *string) signet.Scope {
	scope, err := signet.ParseScope(*text)
	if err != nil || len(scope) > 100 || len(*text) > 4096 {
		j.need(false, "scope", "must be at most 100 tokens of RFC 6749 section 3.3, separated by spaces")
		return nil
	}
	*text = scope.String()
	return scope
}

const invoicePlace = "{invoiceGuid}"

// liveSource keeps the place for the invoice out of the host: whoever names an invoice must not choose whom signet asks.
func liveSource(text string) bool {
	if strings.Count(text, invoicePlace) != 1 || !httpsURL(strings.Replace(text, invoicePlace, signet.NewUUID(), 1)) {
		return false
	}
	authority, _, _ := strings.Cut(strings.TrimPrefix(text, "https://"), "/")
	return !strings.Contains(authority, invoicePlace) && !strings.Contains(authority, "?")
}

// billerLinks checks that what the record points at is there.
func (a *Admin) billerLinks(c *call, m *signet.BillerMetadata) error {
	seen := map[string]bool{}
	for _, id := range append([]string{m.DefaultResourceServer}, m.ResourceServers...) {
		if seen[id] && id != m.DefaultResourceServer {
			return badRequest("resource_servers", "resource_servers repeats one.")
		}
		seen[id] = true
		if err := linked(a.o.Contracts.ResourceServers.ResourceServer(c.ctx(), id)); err != nil {
			return missing(err, "resource_servers", "There is no such resource server.")
		}
	}
	if m.ClientID == "" {
		return nil
	}
	client, err := a.o.Clients.Client(c.ctx(), m.ClientID)
	if err != nil {
		return missing(err, "client_id", "There is no such client.")
	}
	if client.Public() {
		return badRequest("client_id", "The client_id must be a confidential client's: a public one proves nothing.")
	}
	return nil
}

// linked keeps the error of a look-up.
func linked[T any](_ T, err error) error { return err }

// missing makes a record that is not there a fault of the body that names it.
func missing(err error, reason, text string) error {
	if errors.Is(err, signet.ErrNotFound) {
		return badRequest(reason, "%s", text)
	}
	return err
}
