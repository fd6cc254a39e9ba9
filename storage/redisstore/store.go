package redisstore

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/signet-auth/signet/pkg/signet"
)

// The modes of Options.Mode.
const (
	ModeSingle   = "single"
	ModeSentinel = "sentinel"
	ModeCluster  = "cluster"
)

const (
	// callTimeout bounds every call, waiting for a connection and dialling included.
	callTimeout = 250 * time.Millisecond
	// poolSize is per server. A call holds a connection for one round trip, so this serves far more callers; a larger pool
	// would answer a burst on a cold start with as many handshakes, when waiting for a connection is quicker.
	poolSize = 16
	// bufferSize fits every answer but a rebuild's.
	bufferSize = 4 << 10
	// keepLonger is how much longer than needed Redis keeps a value: its clock is not ours.
	keepLonger = time.Minute
)

// Options says where Redis is. Addrs, Mode, Now and Log are required.
type Options struct {
	Addrs              []string // host:port; one for single, the Sentinels, or some nodes of the Cluster
	Username, Password string
	DB                 int    // single and sentinel only
	Mode               string // single, sentinel or cluster
	MasterName         string // sentinel only
	TLS                *tls.Config
	Prefix             string // before every key; without braces, which are Redis's hash tags
	Now                func() time.Time
	Log                *slog.Logger
}

// Store is one Redis, Sentinel group or Cluster. It is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	now     func() time.Time
	log     *slog.Logger
	mode    string
	prefix  string
	started time.Time // base of the breaker's clock
	breaker breaker

	// clockLead is by how many milliseconds a Redis clock was seen ahead of ours, at most; 0 when none was.
	clockLead atomic.Int64

	// runs holds, per epoch key, the run id of the server on which this node last found it.
	runs [buckets + 1]atomic.Pointer[string]

	// opened is set once the first connections have been made; no call is made before (see open).
	opened    atomic.Bool
	stop      context.CancelFunc // ends reopening; nil when Redis was there at the start
	reopening sync.WaitGroup
	refused   atomic.Pointer[refusal] // nil once a server was admitted

	// Request ids are a random start and a counter: no two calls of any node share one.
	idStart string
	idNext  atomic.Uint64

	marks       *Marks
	attempts    *Attempts
	revocations *Revocations
	publisher   *publisher
}

// Open connects, refuses a server that must not be used (a replica, a maxmemory-policy other than noeviction, a
// version before 7) or that does not let us in, and sets the epochs that are missing. A Redis that is away is no error:
// calls fail with CodeUnavailable until it answers and has passed the same checks. The caller closes the store.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Store{now: o.Now, log: o.Log, mode: o.Mode, prefix: o.Prefix, started: o.Now(), idStart: randomStart()}
	s.marks = newMarks(s)
	s.attempts = newAttempts(s)
	s.revocations = newRevocations(s)
	// The driver logs failed dials to standard error by default; the calls that fail by them report them.
	redis.SetLogger(driverLog{o.Log})
	s.client = redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: o.Addrs, Username: o.Username, Password: o.Password, DB: o.DB,
		MasterName: o.MasterName, IsClusterMode: o.Mode == ModeCluster, TLSConfig: o.TLS,
		OnConnect: s.admit,
		// RESP2: nothing here wants push messages, and looking for them before each answer costs.
		Protocol: 2,
		// A retried SET could find its own first attempt; in a Cluster the driver repeats after a redirect, which the
		// request id in the value makes harmless.
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: callTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout, PoolTimeout: callTimeout,
		PoolSize: poolSize, PipelinePoolSize: -1, ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if err := s.open(ctx); err != nil {
		_ = s.client.Close()
		return nil, opening(&o, err)
	}
	s.publisher = newPublisher(s)
	return s, nil
}

func (o *Options) check() error {
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, errors.New("redisstore: "+text))
		}
	}
	fault(len(o.Addrs) == 0, "Addrs is empty")
	fault(o.Now == nil, "Now is missing")
	fault(o.Log == nil, "Log is missing")
	fault(strings.ContainsAny(o.Prefix, "{}"), "Prefix must not contain braces")
	switch o.Mode {
	case ModeSingle:
		fault(len(o.Addrs) > 1, "mode single takes one address")
		fault(o.MasterName != "", "mode single takes no MasterName")
	case ModeSentinel:
		fault(o.MasterName == "", "mode sentinel needs MasterName")
	case ModeCluster:
		fault(o.DB != 0, "a Cluster has no databases")
		fault(o.MasterName != "", "mode cluster takes no MasterName")
	default:
		fault(true, "Mode must be single, sentinel or cluster")
	}
	return errors.Join(faults...)
}

// Marks is the home of replay marks (clientauth.Marks).
func (s *Store) Marks() *Marks { return s.marks }

// Attempts is the home of shared counters (web.Counter, login.Attempts).
func (s *Store) Attempts() *Attempts { return s.attempts }

// Revocations is the fast home of revocation state (revocation.Fast).
func (s *Store) Revocations() *Revocations { return s.revocations }

// Ready asks Redis for a sign of life. Error: CodeUnavailable.
func (s *Store) Ready(ctx context.Context) error {
	return s.exec(ctx, redis.NewStatusCmd(ctx, "ping"))
}

// Close ends the background work and all connections.
func (s *Store) Close() error {
	if s.stop != nil {
		s.stop()
		s.reopening.Wait()
	}
	s.publisher.close()
	return s.client.Close()
}

// keepUntil is the PXAT of a value that ends at expires (Unix milliseconds): late enough for a Redis whose clock is
// ahead of ours, since a mark that Redis drops too early could be used twice.
func (s *Store) keepUntil(expires int64) int64 {
	return expires + s.clockLead.Load() + keepLonger.Milliseconds()
}

func randomStart() string {
	var raw [12]byte
	for i := range raw {
		raw[i] = byte(rand.Uint32()) //nolint:gosec // distinct, not secret
	}
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// driverLog sends the driver's own lines where ours go.
type driverLog struct{ log *slog.Logger }

// Printf implements the driver's logger.
func (l driverLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, v...), "from", "go-redis")
}

// unavailable is the one error of this package towards its callers, with a reason for logs.
func unavailable(reason string, cause error) error {
	return &signet.Error{Code: signet.CodeUnavailable, Reason: reason, Cause: cause}
}
