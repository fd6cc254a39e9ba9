package attacks

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

// overheard is a deployment whose stores tell everything that they are sent: PostgreSQL logs every statement with its
// values, and each once more as slow; of Redis there are MONITOR and SLOWLOG.
type overheard struct {
	*world
	db        *e2e.Postgres
	redis     *e2e.Server
	monitored func() string
}

func newOverheard(t *testing.T, settings map[string]any) *overheard {
	t.Helper()
	o := &overheard{db: e2e.StartPostgres(t, "log_statement=all", "log_min_duration_statement=0", "log_error_verbosity=verbose",
		"log_parameter_max_length=-1", "log_parameter_max_length_on_error=-1", "log_lock_waits=on", "log_autovacuum_min_duration=0"),
		redis: e2e.StartRedis(t, "--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000")}
	o.monitored = o.redis.Monitor()
	all := map[string]any{"log": map[string]any{"level": "debug", "format": "json"}}
	maps.Copy(all, settings)
	c, card, _ := e2e.StartSeededOn(t, o.db.DSN, o.redis.Addr, all)
	o.world = &world{t: t, Dev: &e2e.Dev{Process: c.Nodes[0].Process, Card: card}, http: newClient()}
	return o
}

// told waits until the stores' logs have arrived to their end, and hunts in all of them and in signet's own.
func (o *overheard) told(c canaries, database, redis string) {
	o.t.Helper()
	last := "end-" + random()
	o.admin(http.MethodGet, "/users?username="+last, nil)
	o.redis.Say("ECHO " + last)
	o.eventually("the stores' logs are complete", func() bool {
		return strings.Contains(o.monitored(), last) && strings.Contains(o.db.Output(), last)
	})
	slow := o.redis.Slowlog()
	// Who is looked for must be named: a PIN that somebody types as the name of a PIN application stands in that one query.
	named := regexp.MustCompile(`parameters: \$1 = 'pin-[0-9a-f]+', \$2 = '1'\n`).ReplaceAllString(o.db.Output(), "")
	for where, log := range map[string]string{"the log of PostgreSQL": named, "MONITOR": o.monitored(), "SLOWLOG": slow, "the log of Redis": o.redis.Output(), "signet's log": o.Output()} {
		c.hunt(o.t, where, []byte(log))
	}
	// They do tell: values, and the statements of what was done.
	if log := o.db.Output(); !strings.Contains(log, database) || !strings.Contains(log, "duration: ") || !strings.Contains(log, "= '") {
		o.t.Errorf("the log of PostgreSQL does not tell of %q with values", database)
	}
	if !strings.Contains(o.monitored(), redis) || !strings.Contains(slow, redis) {
		o.t.Errorf("MONITOR and SLOWLOG do not tell of %q", redis)
	}
}

// After everything was used, well and badly, no secret stands in what the stores log, see or remember as slow: a
// statement carries hashes and sealed keys.
func TestLOG01Stores(t *testing.T) {
	t.Parallel()
	t.Run("logins and clients", func(t *testing.T) {
		t.Parallel()
		o := newOverheard(t, nil)
		o.eventually("assertions are accepted", func() bool {
			return o.post("/token", e2e.Client{}, url.Values{"grant_type": {"client_credentials"}, "client_assertion": {o.assertion(o.Card.Clients.PartnerES256, nil)},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}).status == http.StatusOK
		})
		c := o.use()
		c.add("the admin key", o.Card.Admin.APIKey)
		o.told(c, "INSERT INTO \"refresh_tokens\"", "pxat")
	})
	t.Run("contracts", func(t *testing.T) {
		t.Parallel()
		o := newOverheard(t, map[string]any{"replay_marks": "postgres"})
		o.told(o.useContracts(), "INSERT INTO replay_marks", "mget")
	})
}
