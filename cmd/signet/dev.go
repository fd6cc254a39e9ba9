package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/oauth"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// devFlags are what `signet dev` can be told.
type devFlags struct {
	listen, admin, ops string
	data, card         string
	tls, verbose       bool
	rotateEvery        time.Duration
	jwksMaxAge         time.Duration
	signingAlgs        []string
}

func (a *app) devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{Use: "dev", Short: "Run everything on this machine: seeded, on SQLite, with a demo", Args: arguments,
		Long: "Runs the whole server on this machine alone: SQLite instead of PostgreSQL and Redis, clients and users\n" +
			"made at start, every secret new. Nothing is left behind unless --data names a folder.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(a.environ); err != nil {
				return err
			}
			return a.dev(cmd.Context(), &f)
		}}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "", "loopback address of the server (127.0.0.1:8080; 8443 with --tls); port 0 takes a free one")
	flags.StringVar(&f.admin, "admin-listen", "", "loopback address of the admin API (the next port, or a free one)")
	flags.StringVar(&f.ops, "ops-listen", "", "loopback address of health and metrics (the port after that, or a free one)")
	flags.StringVar(&f.data, "data", "", "folder that keeps the state across restarts")
	flags.StringVar(&f.card, "card", "", "file to write the JSON card to, once the server is ready")
	flags.BoolVar(&f.tls, "tls", false, "serve https with a certificate made here")
	flags.BoolVar(&f.verbose, "verbose", false, "log every request")
	flags.DurationVar(&f.rotateEvery, "rotate-every", 0, "rotate signing keys on this schedule")
	flags.DurationVar(&f.jwksMaxAge, "jwks-max-age", 15*time.Minute, "how long verifiers may cache the key set, at most 15m")
	flags.StringSliceVar(&f.signingAlgs, "signing-alg", nil, "also sign with PS256 or EdDSA for clients that register for it; repeat for both")
	return cmd
}

// check keeps a development server from ever standing in for a production one.
func (f *devFlags) check(environ []string) error {
	if names := config.Settings(environ); len(names) > 0 {
		return usage("signet dev does not start beside production settings (%s): use signet serve, or unset them", strings.Join(names, ", "))
	}
	if f.listen == "" {
		f.listen = "127.0.0.1:8080"
		if f.tls {
			f.listen = "127.0.0.1:8443"
		}
	}
	for _, addr := range []string{f.listen, f.admin, f.ops} {
		if addr != "" && !config.Loopback(addr) {
			return usage("%s: signet dev listens on loopback only, as --listen 127.0.0.1:8080", addr)
		}
	}
	if f.jwksMaxAge < time.Second || f.jwksMaxAge > 15*time.Minute {
		return usage("--jwks-max-age must be 1s to 15m")
	}
	for _, alg := range f.signingAlgs {
		if alg != signet.AlgPS256 && alg != signet.AlgEdDSA {
			return usage("--signing-alg is PS256 or EdDSA; ES256 and RS256 are there without it")
		}
	}
	return nil
}

func (a *app) dev(ctx context.Context, f *devFlags) (err error) {
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
	if !signal.Ignored(syscall.SIGHUP) { // a closed terminal must leave nothing behind either
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	home, err := openHome(f.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, home.close()) }()
	if err := clearCard(f.card); err != nil {
		return err
	}

	var secure *devTLS
	if f.tls {
		if secure, err = home.tls(time.Now()); err != nil {
			return err
		}
	}
	// The public port comes first: the issuer follows it.
	var listen net.ListenConfig
	public, err := listen.Listen(ctx, "tcp", f.listen)
	if err != nil {
		return listenError("--listen (port 0 takes a free one)", f.listen, err)
	}
	defer public.Close()
	issuer := devIssuer(f.listen, public.Addr(), f.tls)

	fresh := home.material() // expensive keys are made while the stores open
	d := devDeployment(issuer, home, f, log)
	n, err := wire(ctx, d)
	if err != nil {
		return err
	}
	doors, err := devDoors(ctx, log, f, n, public, secure)
	if err != nil {
		return errors.Join(err, n.close())
	}
	c, err := seed(ctx, n, home, fresh, issuer)
	if err != nil {
		for _, d := range doors {
			_ = d.listener.Close()
		}
		if ctx.Err() != nil {
			err = nil // ended while it was starting
		}
		return errors.Join(err, n.close())
	}
	c.locate(doors, secure)
	go a.announce(ctx, f, c, doors)
	return n.run(ctx, log, doors)
}

// clearCard sees that a card can be written to the file, and removes the card of an earlier run, which must not be taken
// for this one's. No file: nothing to do.
func clearCard(file string) error {
	if file == "" {
		return nil
	}
	if folder, err := os.Stat(filepath.Dir(file)); err != nil || !folder.IsDir() {
		return usage("--card %s: its folder is not there", file)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// announce prints the card once the server answers.
func (a *app) announce(ctx context.Context, f *devFlags, c *card, doors []*door) {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", doors[0].listener.Addr().String())
	if err != nil {
		return // it failed to serve, and says so itself
	}
	_ = conn.Close()
	if f.card != "" {
		if err := writeCard(f.card, c); err != nil {
			fmt.Fprintf(a.err, "signet: the card was not written: %s\n", err)
		}
	}
	if a.json {
		_ = json.NewEncoder(a.out).Encode(c)
		return
	}
	shown := f.card
	if shown == "" && f.data != "" {
		shown = filepath.Join(f.data, "card.json")
	}
	fmt.Fprint(a.out, c.text(programOf(a.program), shown))
}

// devIssuer keeps the host that was asked for and takes the port that was given.
func devIssuer(listen string, addr net.Addr, secure bool) string {
	host, _, _ := net.SplitHostPort(listen)
	_, port, _ := net.SplitHostPort(addr.String())
	if secure {
		return "https://" + net.JoinHostPort(host, port)
	}
	return "http://" + net.JoinHostPort(host, port)
}

func devDeployment(issuer string, home *home, f *devFlags, log *slog.Logger) *deployment {
	return &deployment{
		issuer: issuer,
		sql: sqlstore.Options{Driver: sqlstore.DriverSQLite, DSN: home.database(), Now: time.Now,
			Node: signet.NewNodeID(), Log: log},
		keks: map[string][]byte{"dev": home.kek}, currentKEK: "dev",
		plan: keys.Plan{JWKSMaxAge: f.jwksMaxAge, RotateEvery: f.rotateEvery, LongestToken: longestToken,
			HintRetention: hintRetention, Leeway: leeway},
		signingAlgs: append([]string{signet.AlgES256, signet.AlgRS256}, f.signingAlgs...),
		lifetimes:   oauth.Lifetimes{}, passwords: login.PasswordsOptions{Queue: 64},
		unlimited: true, demo: true, now: time.Now, log: log,
		certificates: certificateSettings{loopbackSets: true},
		contracts:    contractSettings{invoiceResource: demoInvoices, privateSources: true, apiResources: []string{demoAudience}},
	}
}

// devDoors opens the three listeners. Admin and ops take the ports after the public one when they are free.
func devDoors(ctx context.Context, log *slog.Logger, f *devFlags, n *node, public net.Listener, secure *devTLS) ([]*door, error) {
	outside := opening{name: "public", address: f.listen, handler: n.public}
	if secure != nil {
		var err error
		if outside.tls, err = pairTLS(secure.pair); err != nil {
			return nil, err
		}
	}
	doors := []*door{newDoor(outside, public, log)}
	for i, o := range []opening{{"admin", f.admin, n.admin, (*tls.Config)(nil)}, {"ops", f.ops, n.ops, nil}} {
		opened, err := open(ctx, log, []opening{devOpening(o, f.listen, i+1)})
		if err != nil && o.address == "" {
			o.address = "127.0.0.1:0"
			opened, err = open(ctx, log, []opening{o})
		}
		if err != nil {
			return nil, err
		}
		doors = append(doors, opened...)
	}
	return doors, nil
}

func devOpening(o opening, listen string, offset int) opening {
	if o.address != "" {
		return o
	}
	_, port, _ := net.SplitHostPort(listen)
	number := 0
	if _, err := fmt.Sscanf(port, "%d", &number); err == nil && number != 0 {
		number += offset
	}
	o.address = fmt.Sprintf("127.0.0.1:%d", number)
	return o
}

// home is the folder of a dev server: temporary, or --data.
type home struct {
	dir  string
	kept bool
	kek  []byte
	// release ends the claim on a temporary folder.
	release func()
}

func openHome(data string) (*home, error) {
	h := &home{dir: data, kept: data != ""}
	if !h.kept {
		removeAbandoned()
		dir, err := os.MkdirTemp("", homePrefix) // 0700
		if err != nil {
			return nil, err
		}
		h.dir = dir
		if h.release, err = claim(dir); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	} else if err := h.keep(data); err != nil {
		return nil, err
	}
	path := filepath.Join(h.dir, "kek")
	kek, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.kek = make([]byte, 32)
		_, _ = rand.Read(h.kek) // never fails: it ends the process when the system has no randomness
		if h.kept {
			err = writeSecret(path, h.kek)
		} else {
			err = nil
		}
	case err == nil && len(kek) != 32:
		err = fmt.Errorf("%s does not hold 32 bytes", path)
	default:
		h.kek = kek
	}
	if err == nil {
		// SQLite would let others read it. Its log takes over the mode.
		var database *os.File
		if database, err = os.OpenFile(h.database(), os.O_CREATE|os.O_RDWR, 0o600); err == nil {
			err = database.Close()
		}
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// keep takes the folder of --data for this process alone: two servers over one folder would each take the other's keys and
// card for its own.
func (h *home) keep(data string) (err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	h.release, err = claimKept(data)
	return err
}

func (h *home) database() string { return filepath.Join(h.dir, "signet.db") }

const homePrefix = "signet-dev-"

// removeAbandoned removes what servers left behind that were killed before they could. Failing is no reason not to start.
func removeAbandoned() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), homePrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if abandoned(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}

// close removes what must not be left behind.
func (h *home) close() error {
	var err error
	if !h.kept {
		err = os.RemoveAll(h.dir)
	}
	if h.release != nil {
		h.release()
	}
	return err
}

// writeSecret writes a file that only its owner reads, whole or not at all.
func writeSecret(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".signet-*") // 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Close()); err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return os.Rename(temp.Name(), path)
}
