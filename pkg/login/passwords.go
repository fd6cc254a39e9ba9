package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/signet-auth/signet/pkg/signet"
)

// The work of one hash (design.md, decision 2; OWASP password storage): 19 MiB, two passes, one lane.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// Bounds of a stored hash: a row must not be able to make one login cost gigabytes or minutes.
const (
	maxArgonMemory = 64 * 1024
	maxArgonTime   = 10
	maxArgonLanes  = 4
)

// MaxPassword is the longest password, in bytes. Nothing is ever cut off (ENU-11).
const MaxPassword = 1024

// poolWait is how long a password waits for a worker at most before the answer is 503; a login's own end comes earlier.
const poolWait = 2 * time.Second

// PasswordsOptions bounds the work. 0 means the default.
type PasswordsOptions struct {
	Workers int // hashes computed at once, 19 MiB each; default: the number of CPUs
	Queue   int // passwords that may wait for a worker; default: 32 a worker
}

// Passwords hashes what people choose, in a bounded pool, so that a flood of logins starves neither memory nor the
// other endpoints, and by turns, so that it does not starve other logins either. It is safe for concurrent use.
type Passwords struct {
	workers  *turns
	computed atomic.Uint64
	nobody   string
}

// NewPasswords starts a pool.
func NewPasswords(opts PasswordsOptions) (*Passwords, error) {
	if opts.Workers < 0 || opts.Queue < 0 {
		return nil, errors.New("passwords: Workers and Queue must not be negative")
	}
	if opts.Workers == 0 {
		opts.Workers = runtime.NumCPU()
	}
	if opts.Queue == 0 {
		opts.Queue = 32 * opts.Workers
	}
	salt, key := make([]byte, argonSalt), make([]byte, argonKey)
	_, _ = rand.Read(salt) // never fails: it ends the process instead
	_, _ = rand.Read(key)
	return &Passwords{
		workers: newTurns(opts.Workers, opts.Queue), nobody: formatPHC(salt, key),
	}, nil
}

// Nobody is a hash in the present form that no password matches: verifying against it is the work that an unknown user
// name costs (ENU-01).
func (p *Passwords) Nobody() string { return p.nobody }

// Computed counts the argon2id hashes computed, for metrics and tests.
func (p *Passwords) Computed() uint64 { return p.computed.Load() }

// Hash returns the PHC string of a password. Errors: CodeInvalidRequest (empty or longer than MaxPassword),
// CodeUnavailable (pool full, or the context ended).
func (p *Passwords) Hash(ctx context.Context, password string) (phc string, err error) {
	if err := acceptable(password); err != nil {
		return "", err
	}
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt)
	key, err := p.compute(ctx, Turn{}, password, phcHash{memory: argonMemory, time: argonTime, threads: argonThreads, salt: salt, key: make([]byte, argonKey)})
	if err != nil {
		return "", err
	}
	return formatPHC(salt, key), nil
}

// Verify reports whether the password is the one that phc was made of. Errors: CodeInvalidRequest (the password's
// length), CodeUnavailable (pool full, or the context ended), CodeInternal (phc is no argon2id hash within bounds; no
// work was done).
func (p *Passwords) Verify(ctx context.Context, phc, password string) (bool, error) {
	return p.VerifyInTurn(ctx, Turn{}, phc, password)
}

// VerifyInTurn is Verify that waits for a worker where turn says.
func (p *Passwords) VerifyInTurn(ctx context.Context, turn Turn, phc, password string) (bool, error) {
	if err := acceptable(password); err != nil {
		return false, err
	}
	stored, err := parsePHC(phc)
	if err != nil {
		return false, signet.Internal(err)
	}
	key, err := p.compute(ctx, turn, password, stored)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, stored.key) == 1, nil
}

func acceptable(password string) error {
	if password == "" || len(password) > MaxPassword {
		return signet.NewError(signet.CodeInvalidRequest, "The password must have 1 to 1024 bytes.", "password_length")
	}
	return nil
}

// compute waits for a worker and hashes.
func (p *Passwords) compute(ctx context.Context, turn Turn, password string, h phcHash) ([]byte, error) {
	if err := p.workers.take(ctx, turn); err != nil {
		return nil, err
	}
	defer p.workers.give()
	p.computed.Add(1)
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.key))), nil
}

// phcHash is a parsed PHC string.
type phcHash struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func formatPHC(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// parsePHC reads $argon2id$v=19$m=…,t=…,p=…$salt$key, strictly and within bounds.
func parsePHC(text string) (phcHash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phcHash{}, errors.New("password hash: not argon2id version 19")
	}
	params := strings.Split(parts[3], ",")
	if len(params) != 3 {
		return phcHash{}, errors.New("password hash: malformed parameters")
	}
	memory, errM := bounded(params[0], "m=", 8, maxArgonMemory)
	passes, errT := bounded(params[1], "t=", 1, maxArgonTime)
	lanes, errP := bounded(params[2], "p=", 1, maxArgonLanes)
	salt, errS := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, errK := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err := errors.Join(errM, errT, errP, errS, errK); err != nil {
		return phcHash{}, fmt.Errorf("password hash: %w", err)
	}
	if memory < 8*lanes || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 {
		return phcHash{}, errors.New("password hash: out of bounds")
	}
	return phcHash{memory: memory, time: passes, threads: uint8(lanes), salt: salt, key: key}, nil
}

func bounded(text, prefix string, low, high uint32) (uint32, error) {
	digits, ok := strings.CutPrefix(text, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || uint32(n) < low || uint32(n) > high {
		return 0, fmt.Errorf("parameter %s is out of bounds", prefix[:1])
	}
	return uint32(n), nil
}
