package grid

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

var update = flag.Bool("update", false, "write testdata/grid.golden")

func TestMain(m *testing.M) {
	flag.Parse()
	// A column waits a second for its change to be known everywhere: others go on meanwhile.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(e2e.Main(m))
}

// grid collects the cells.
type grid struct {
	mu      sync.Mutex
	seen    map[string]string // by door, principal and state
	slowest time.Duration
}

func at(door, principal string, in state) string {
	return door + "\x00" + principal + "\x00" + string(in)
}

func (g *grid) put(door, principal string, in state, verdict string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen[at(door, principal, in)] = verdict
}

func (g *grid) took(took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slowest = max(g.slowest, took)
}

// within is how soon a change must be known (design.md, decision 6).
const within = time.Second

// Every door, in every state of everybody. What needs replay marks comes second: a server whose Redis is empty refuses it
// for a minute. What all worlds share is disabled last, and alone.
func TestGrid(t *testing.T) {
	cluster, card, _ := e2e.StartSeeded(t, nil)
	h := &house{card: card}
	g := &grid{seen: map[string]string{}}
	shared := func(c column) bool { return c.principal == "invoices" }
	round := func(name string, marks bool) {
		t.Run(name, func(t *testing.T) {
			for _, c := range columns() {
				if c.enter == nil || shared(c) {
					continue
				}
				t.Run(c.principal+", "+string(c.state), func(t *testing.T) {
					t.Parallel()
					g.column(h.newWorld(t), c, marks)
				})
			}
		})
	}
	round("at once", false)
	cluster.Settle(card)
	round("with marks", true)
	for _, c := range columns() {
		if c.enter == nil || !shared(c) {
			continue
		}
		t.Run(c.principal+", "+string(c.state), func(t *testing.T) {
			for _, marks := range []bool{false, true} {
				g.column(h.newWorld(t), c, marks)
				h.enable(t)
			}
		})
	}
	t.Logf("the slowest of all changes was known after %s", g.slowest.Round(time.Millisecond))
	g.judge(t)
}

// enable puts back what all worlds share.
func (h *house) enable(t *testing.T) {
	t.Helper()
	w := &world{house: h, t: t, net: "10.255.255.7"}
	w.admin("POST", "/resource-servers/invoices/enable", nil, nil)
}

// column asks every door while all is well, changes the one thing, and asks every door again.
func (g *grid) column(w *world, c column, marks bool) {
	w.t.Helper()
	var rows []door
	for _, d := range doors() {
		if d.marks == marks {
			rows = append(rows, d)
		}
	}
	w.mint(marks)
	for _, d := range rows {
		verdict := w.openly(d)
		if verdict != ok {
			w.t.Fatalf("%s: %s although all is well", d.name, verdict)
		}
		g.put(d.name, c.principal, active, verdict)
	}
	if c.principal == "member" || c.principal == "account" {
		// What is made right after a change of memberships is dated after that change, up to two seconds ahead. Only from
		// then on it is older than the next one.
		<-time.After(time.Until(w.born.Add(2 * time.Second)))
	}
	w.mint(marks)
	c.enter(w)
	g.promptly(w, c, rows)
	for _, d := range rows {
		verdict := w.ask(d.open)
		g.put(d.name, c.principal, c.state, verdict)
		if want := d.expect(c.principal, c.state); verdict != want {
			w.t.Errorf("%s: %s, want %s", d.name, verdict, want)
		}
	}
}

// openly asks for a second where the record behind the door may be too new: signet lists the resource servers whose keys
// it holds at most once in it.
func (w *world) openly(d door) string {
	began, pace := time.Now(), time.NewTicker(20*time.Millisecond)
	defer pace.Stop()
	verdict := w.ask(d.open)
	for d.prompt && verdict != ok && time.Since(began) < within+100*time.Millisecond {
		<-pace.C
		verdict = w.ask(d.open)
	}
	return verdict
}

// ask asks again where the answer is none: a busy server says so (503), and has decided nothing.
func (w *world) ask(open func(*world) string) string {
	const most = 5
	verdict := ""
	for range most {
		if verdict = open(w); !undecided(verdict) {
			break
		}
	}
	return verdict
}

func undecided(verdict string) bool { return strings.Contains(verdict, "503") }

// promptly asks those that can be asked again and again until they know of the change, for a second at most; then it
// waits for the second to pass, as everybody else may take as long.
func (g *grid) promptly(w *world, c column, rows []door) {
	w.t.Helper()
	began := time.Now()
	second := time.NewTimer(within)
	defer second.Stop()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for _, d := range rows {
		want := d.expect(c.principal, c.state)
		if !d.prompt || want == ok {
			continue
		}
		for d.open(w) != want && time.Since(began) < within {
			<-pace.C
		}
		g.took(time.Since(began))
	}
	<-second.C
}

// mint makes a token of every kind that the round is about, and the spares. Doors that make tokens begin anew.
func (w *world) mint(marks bool) {
	w.t.Helper()
	w.old, w.fresh, w.verdicts = map[string]string{}, map[string]string{}, map[string]string{}
	w.browser = e2e.NewBrowser(w.t)
	w.browser.From(w.net)
	for _, kind := range slices.Concat([]string{"system"}, kinds, spares) {
		if kind != "system" && marked(kind) != marks || w.old[kind] != "" {
			continue
		}
		var made map[string]string
		verdict := w.ask(func(*world) (verdict string) { made, verdict = w.makeToken(kind); return verdict })
		if verdict != ok || made[kind] == "" {
			w.t.Fatalf("no %s although all is well: %s", kind, verdict)
		}
		maps.Copy(w.old, made)
		if kind == "system" {
			// The invoice must be there before it can be exchanged.
			if verdict := w.putInvoice(made[kind]); verdict != ok {
				w.t.Fatalf("the invoice is not stored: %s", verdict)
			}
		}
	}
	w.browser = nil
}

// judge sees that no cell is missing, and that the whole is as it was.
func (g *grid) judge(t *testing.T) {
	t.Helper()
	rows, cells := doors(), 0
	for _, c := range columns() {
		if (c.enter == nil) == (c.cannot == "") {
			t.Errorf("%s, %s: neither entered nor said to be impossible, or both", c.principal, c.state)
		}
		if c.enter == nil {
			continue
		}
		for _, d := range rows {
			if _, asked := g.seen[at(d.name, c.principal, c.state)]; !asked {
				t.Errorf("%s was not asked in %s, %s", d.name, c.principal, c.state)
			}
			cells++
		}
	}
	got := g.table(rows)
	t.Logf("%d doors, %d cells\n%s", len(rows), cells, got)
	file := filepath.Join("testdata", "grid.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at the change, then go test ./test/grid -update", file)
	}
}

// table is one table a principal, of the doors that are not open in all of its states.
func (g *grid) table(rows []door) string {
	var b strings.Builder
	for _, principal := range principals {
		header, untouched := []string{principal, string(active)}, 0
		var impossibles []string
		var in []state
		for _, c := range columns() {
			switch {
			case c.principal != principal:
			case c.enter == nil:
				impossibles = append(impossibles, fmt.Sprintf("    %s: %s\n", c.state, c.cannot))
			default:
				in, header = append(in, c.state), append(header, string(c.state))
			}
		}
		lines := [][]string{header}
		for _, d := range rows {
			line, touched := []string{d.name, g.seen[at(d.name, principal, active)]}, false
			for _, s := range in {
				verdict := g.seen[at(d.name, principal, s)]
				touched = touched || verdict != ok
				line = append(line, verdict)
			}
			if !touched {
				untouched++
				continue
			}
			lines = append(lines, line)
		}
		align(&b, lines)
		fmt.Fprintf(&b, "the other %d doors: ok in every state\n", untouched)
		if len(impossibles) > 0 {
			b.WriteString("cannot be\n" + strings.Join(impossibles, ""))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// align writes columns of equal width.
func align(b *strings.Builder, lines [][]string) {
	width := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, line := range lines {
		row := ""
		for i, cell := range line {
			row += fmt.Sprintf("%-*s  ", width[i], cell)
		}
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
}
