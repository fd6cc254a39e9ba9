package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"
)

// enough is the p-value above which two classes count as equally long (ENU-01).
const enough = 0.01

const (
	warmUp = 20 // rounds that are not counted
	// perName is how often a name is tried. The server refuses the 51st guess at one within the window.
	perName = 40
)

// way is one kind of login that must not be told from the others by its time. posts is how many logins make a sample:
// the control sends two, and so has to be detected.
type way struct {
	name  string
	kind  byte
	posts int
}

// errTelling says that a time tells what it must not, or that the measurement could not have noticed.
var errTelling = errors.New("times differ, or the control was not detected")

// timing sends logins that fail in every way, interleaved in random order over one connection, and compares their times
// pair by pair: at the login page, of billers' identities, of PINs, of encrypted tokens.
func timing(ctx context.Context, s settings) error {
	partner, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	n, err := startSignet(ctx, s)
	if err != nil {
		return err
	}
	defer n.close()
	t, err := n.provision(ctx, partner)
	if err != nil {
		return err
	}
	for _, kind := range []struct {
		name string
		run  func(context.Context, settings) error
	}{
		{"login", func(ctx context.Context, s settings) error { return n.timeLogins(ctx, t, s) }},
		{"identity", n.timeIdentities},
		{"PIN login", n.timePINs},
		{"encrypted token", func(ctx context.Context, s settings) error { return n.timeJWEs(ctx, t, s) }},
	} {
		if !s.only.MatchString(kind.name) {
			continue
		}
		if failed := kind.run(ctx, s); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", kind.name, failed))
		}
	}
	return err
}

func (n *node) timeLogins(ctx context.Context, t *target, s settings) error {
	ways := []way{{"unknown user", 'u', 1}, {"wrong password", 'w', 1}, {"disabled user, right password", 'd', 1},
		{"user without a password", 'p', 1}, {"control: two logins", 'c', 2}}
	if err := n.people(ctx, ways, s.samples); err != nil {
		return err
	}
	form, err := t.openLogin(ctx)
	if err != nil {
		return err
	}
	samples, err := sample(ctx, ways, s.samples, form.try)
	if err != nil {
		return err
	}
	return report("login", ways, samples)
}

// person is the login name of a round: as long as any other, and a new one before the limit of guesses at a name.
func (w way) person(round int) string { return fmt.Sprintf("%c%07d", w.kind, round/(perName/w.posts)) }

// people makes the users of all rounds.
func (n *node) people(ctx context.Context, ways []way, count int) error {
	for _, w := range ways {
		if w.kind == 'u' {
			continue
		}
		last := ""
		for round := range count + warmUp {
			name := w.person(round)
			if name == last {
				continue
			}
			last = name
			if err := n.addPerson(ctx, name, w.kind); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) addPerson(ctx context.Context, name string, kind byte) error {
	user := map[string]any{"username": name, "email": name + "@example.com"}
	if kind != 'p' {
		user["password"] = benchPassword
	}
	body, err := json.Marshal(user)
	if err != nil {
		return err
	}
	var made struct {
		Sub string `json:"sub"`
	}
	users := n.admin + "/admin/v1/users"
	if err := post(ctx, users, n.adminKey, body, &made); err != nil || kind != 'd' {
		return err
	}
	return post(ctx, users+"/"+made.Sub+"/disable", n.adminKey, []byte("{}"), nil)
}

// loginForm is an open login page: its flow can be tried as often as one likes.
type loginForm struct {
	failing
	flow string
}

func (t *target) openLogin(ctx context.Context) (*loginForm, error) {
	w := newWorker(0)
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	w.client.Jar = jar
	flow, err := t.openFlow(ctx, w)
	return &loginForm{failing{w: w, target: t.base + "/login", status: http.StatusOK}, flow}, err
}

// sample takes count samples of every way in rounds, each in an order of its own, so that a machine that slows down
// slows all alike.
func sample(ctx context.Context, ways []way, count int, try func(ctx context.Context, w way, round int) error) ([][]float64, error) {
	samples := make([][]float64, len(ways))
	for round := range count + warmUp {
		for _, i := range mathrand.Perm(len(ways)) {
			began := time.Now()
			for range ways[i].posts {
				if err := try(ctx, ways[i], round); err != nil {
					return nil, fmt.Errorf("%s: %w", ways[i].name, err)
				}
			}
			if round >= warmUp {
				samples[i] = append(samples[i], float64(time.Since(began))/float64(time.Millisecond))
			}
		}
	}
	return samples, nil
}

// try sends one login that fails. Status and length must be the same for all: a difference there would tell more than time.
func (f *loginForm) try(ctx context.Context, w way, round int) error {
	values := url.Values{"flow": {f.flow}, "username": {w.person(round)}, "password": {"wrong horse battery staple"}}
	if w.kind == 'd' {
		values.Set("password", benchPassword) // right, and must not be told so
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.target, strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.send(request)
}

// report prints the two tables and judges them. The last way is the control.
func report(kind string, ways []way, samples [][]float64) error {
	return reportWithin(0, kind, ways, samples)
}

// reportWithin is report for times that may differ by a share of the median.
func reportWithin(share float64, kind string, ways []way, samples [][]float64) error {
	fmt.Printf("\n%s: %d samples each, interleaved in random order, one keep-alive connection over loopback.\n\n", kind, len(samples[0]))
	fmt.Printf("| %s | median ms | p90 ms |\n", kind)
	fmt.Println("|---|---|---|")
	medians := make([]float64, len(ways))
	for i, w := range ways {
		sorted := slices.Sorted(slices.Values(samples[i]))
		medians[i] = sorted[len(sorted)/2]
		fmt.Printf("| %s | %.3f | %.3f |\n", w.name, medians[i], sorted[len(sorted)*9/10])
	}
	fmt.Println("\n| pair | p (Mann-Whitney) | verdict |")
	fmt.Println("|---|---|---|")
	control := len(ways) - 1
	// Many comparisons at once: each has to be clearer for the whole to err in 1 of 100 runs (Bonferroni).
	limit := enough / float64(control*(control-1)/2)
	var failed error
	for i := range control {
		for j := i + 1; j < len(ways); j++ {
			p, verdict := mannWhitney(samples[i], samples[j]), "equal"
			apart := math.Abs(medians[i]-medians[j]) / min(medians[i], medians[j])
			different := p < limit && apart >= share
			switch {
			case different:
				verdict = "different"
			case p < limit:
				verdict = fmt.Sprintf("within %.1f %%", 100*share)
			}
			if different != (j == control) {
				failed, verdict = errTelling, "**"+verdict+"**"
			}
			fmt.Printf("| %s / %s | %.3g | %s |\n", ways[i].name, ways[j].name, p, verdict)
		}
	}
	return failed
}

// mannWhitney returns the two-sided p-value that a and b come from one distribution, by the normal approximation with
// the correction for ties (Mann and Whitney 1947). It wants at least 20 samples each.
func mannWhitney(a, b []float64) float64 {
	type sample struct {
		value float64
		mine  bool
	}
	all := make([]sample, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, sample{v, true})
	}
	for _, v := range b {
		all = append(all, sample{v, false})
	}
	slices.SortFunc(all, func(x, y sample) int {
		switch {
		case x.value < y.value:
			return -1
		case x.value > y.value:
			return 1
		}
		return 0
	})
	var ranks, ties float64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].value == all[i].value {
			j++
		}
		same := float64(j - i)
		ties += same*same*same - same
		for k := i; k < j; k++ {
			if all[k].mine {
				ranks += float64(i+j+1) / 2 // the mean of the ranks i+1 to j
			}
		}
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	u, mean := ranks-n*(n+1)/2, n*m/2
	deviation := math.Sqrt(n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1))))
	if deviation == 0 {
		return 1 // all alike
	}
	z := max(0, math.Abs(u-mean)-0.5) / deviation
	return math.Erfc(z / math.Sqrt2)
}
