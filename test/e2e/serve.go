package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a deployment of signet serve: one database, one Redis prefix, one issuer, any number of nodes.
type Cluster struct {
	t        testing.TB
	dir      string
	redis    string
	prefix   string
	DSN      string
	KEK      string
	Issuer   string
	AdminKey string
	// Binary is what nodes are launched from after it is set, and commands are run with; "": the one that Main built.
	Binary string
	// Settings go over the top-level keys of the configuration of nodes that are launched after they are set.
	Settings map[string]any
	// Env goes over the environment of nodes that are launched after it is set.
	Env   []string
	port  int // of the first node: the issuer's
	Nodes []*Node
}

// Node is one process of a cluster.
type Node struct {
	*Process
	URL, AdminURL, OpsURL string
	file                  string // its configuration
}

// NewCluster makes a database of its own, which is dropped at the end of the test, and the first admin key.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c := NewClusterOn(t, NewDatabase(t), Service(t, "SIGNET_TEST_REDIS"))
	c.Init()
	return c
}

// NewClusterOn makes a cluster on the database that the DSN names, as it is, and on the Redis at host:port.
func NewClusterOn(t testing.TB, dsn, redis string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, dir: t.TempDir(), DSN: dsn, redis: redis, prefix: "e2e:" + random() + ":", port: FreePort(t)}
	c.Issuer = fmt.Sprintf("http://127.0.0.1:%d", c.port)
	var kek [32]byte
	_, _ = rand.Read(kek[:]) // never fails
	c.KEK = "test=" + base64.StdEncoding.EncodeToString(kek[:])
	return c
}

// Init makes the schema, unless it is there, and the first admin key.
func (c *Cluster) Init() {
	c.t.Helper()
	var key struct {
		AdminKey string `json:"admin_key"`
	}
	c.Command(&key, "admin", "init", "--json", "--config", c.config(c.port, FreePort(c.t), FreePort(c.t)))
	c.AdminKey = key.AdminKey
}

// StartNode starts one more node and waits until it is ready. The first one listens at the issuer's address.
func (c *Cluster) StartNode() *Node {
	c.t.Helper()
	n := c.Launch()
	n.WaitReady()
	return n
}

// Launch starts one more node and does not wait for it.
func (c *Cluster) Launch() *Node {
	c.t.Helper()
	public := c.port
	if len(c.Nodes) > 0 {
		public = FreePort(c.t)
	}
	admin, ops := FreePort(c.t), FreePort(c.t)
	at := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
	n := &Node{file: c.config(public, admin, ops), URL: at(public), AdminURL: at(admin), OpsURL: at(ops)}
	c.Relaunch(n)
	c.Nodes = append(c.Nodes, n)
	return n
}

func (c *Cluster) binary() string {
	c.t.Helper()
	if c.Binary != "" {
		return c.Binary
	}
	return Binary(c.t)
}

// Relaunch starts a node that has ended once more, at the addresses it had, and does not wait for it.
func (c *Cluster) Relaunch(n *Node) {
	c.t.Helper()
	n.Process = start(c.t, c.binary(), c.Env, "serve", "--config", n.file)
}

// WaitReady waits until the node says that it wants traffic.
func (n *Node) WaitReady() {
	n.t.Helper()
	n.WaitFor("it is ready", func() bool { return Answers(n.OpsURL + "/readyz") })
}

// Command runs a command of the binary and reads its JSON. input lines go to its standard input.
func (c *Cluster) Command(out any, args ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.binary(), args...)
	cmd.Env = clean(os.Environ())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("signet %s: %v\n%s%s", strings.Join(args, " "), err, stdout, &stderr)
	}
	if err := json.Unmarshal(stdout, out); err != nil {
		c.t.Fatalf("signet %s printed %q: %v", strings.Join(args, " "), stdout, err)
	}
}

// config writes a node's configuration. JSON is YAML.
func (c *Cluster) config(public, admin, ops int) string {
	c.t.Helper()
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	settings := map[string]any{
		"issuer": c.Issuer, "listen": at(public),
		"behind_proxy": map[string]any{"trusted_proxies": []string{"127.0.0.1/32"}},
		"admin":        map[string]any{"listen": at(admin)},
		"ops":          map[string]any{"listen": at(ops)},
		"postgres":     map[string]any{"dsn": c.DSN, "max_open": 10},
		"redis":        map[string]any{"addrs": []string{c.redis}, "prefix": c.prefix},
		"keys":         map[string]any{"kek": c.KEK},
		"log":          map[string]any{"level": "info", "format": "json"},
	}
	maps.Copy(settings, c.Settings)
	content, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		c.t.Fatal(err)
	}
	file := filepath.Join(c.dir, fmt.Sprintf("node-%d.yaml", public))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// StartSeeded starts a cluster of one node that has what signet dev has: the same card, on PostgreSQL and Redis. The
// document's published API key is not among the keys: serve refuses it. settings go over the configuration, env over the
// environment.
func StartSeeded(t testing.TB, settings map[string]any, env ...string) (*Cluster, Card, string) {
	t.Helper()
	return StartSeededOn(t, NewDatabase(t), Service(t, "SIGNET_TEST_REDIS"), settings, env...)
}

// StartSeededOn is StartSeeded on the empty database that the DSN names, and on the Redis at host:port.
func StartSeededOn(t testing.TB, dsn, redis string, settings map[string]any, env ...string) (*Cluster, Card, string) {
	t.Helper()
	c := NewClusterOn(t, dsn, redis)
	c.Settings, c.Env = map[string]any{"accounts": map[string]any{"resources": []string{"https://api.example.com"}}}, env
	maps.Copy(c.Settings, settings)
	c.Init()
	dir := t.TempDir()
	var made struct {
		Card string `json:"card"`
	}
	c.Command(&made, "seed", "--json", "--config", c.config(c.port, FreePort(t), FreePort(t)), "--data", dir)
	n := c.StartNode()
	content, err := os.ReadFile(made.Card)
	if err != nil {
		t.Fatal(err)
	}
	var card Card
	if err := json.Unmarshal(content, &card); err != nil {
		t.Fatal(err)
	}
	card.Admin.APIURL, card.Admin.APIKey, card.Ops.URL = n.AdminURL+"/admin/v1", c.AdminKey, n.OpsURL
	return c, card, made.Card
}

// Settle waits until the memory of replays is old enough to be trusted with identities: a Redis without an epoch has
// perhaps just lost one, so that what was signed up to a minute ahead of its start is refused (design.md, Replay marks).
func (c *Cluster) Settle(card Card) {
	c.t.Helper()
	biller := card.Billers[0]
	c.Nodes[0].waitFor(settleWithin, time.Second, "identities are accepted", func() bool {
		status, _ := Post(c.t, card.Issuer+"/api/v1/payertokens", nil, Payer(c.t, biller))
		return status == http.StatusOK
	})
}

const settleWithin = 90 * time.Second

// NewDatabase creates a database, which is dropped at the end of the test, and returns its DSN.
func NewDatabase(t testing.TB) string {
	t.Helper()
	base := Service(t, "SIGNET_TEST_POSTGRES")
	name := "e2e_" + random()
	admin := func(sql string) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, base)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	admin("CREATE DATABASE " + name)
	t.Cleanup(func() { admin("DROP DATABASE " + name + " WITH (FORCE)") })
	dsn, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	dsn.Path = "/" + name
	return dsn.String()
}

func random() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
