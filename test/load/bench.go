package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// mostFloor is the budget of every row that has one: the server's CPU in terms of the floor's.
const mostFloor = 1.6

// bench measures the floor and signet one after the other and prints one table.
func bench(ctx context.Context, s settings) error {
	partner, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	floorResults, err := benchFloor(ctx, s, partner)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	signetResults, err := benchSignet(ctx, s, partner)
	if err != nil {
		return fmt.Errorf("signet: %w", err)
	}
	printTable(s, signetResults, floorResults)
	for _, r := range append(signetResults, floorResults...) {
		if r.errors > 0 {
			err = errors.Join(err, fmt.Errorf("%s: %d errors, first: %w", r.name, r.errors, r.firstError))
		}
	}
	return err
}

func benchFloor(ctx context.Context, s settings, partner *ecdsa.PrivateKey) ([]result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	process, err := start(ctx, "listening on ", self, "floor")
	if err != nil {
		return nil, err
	}
	defer process.stop()
	t := &target{base: process.answer, issuer: "http://127.0.0.1", serviceID: "bench", serviceSecret: "secret",
		partnerID: "bench", partnerKey: partner, resourceID: "rs", resourceKey: "secret", appID: "app", redirectURI: "https://rp.test/cb", card: madeUp()}
	key, err := json.Marshal(jose.JSONWebKey{Key: partner.Public(), KeyID: "bench", Algorithm: "ES256"})
	if err != nil {
		return nil, err
	}
	if err := post(ctx, t.base+"/partner-key", "", key, nil); err != nil {
		return nil, err
	}
	return measure(ctx, s, t, process.pid())
}

func measure(ctx context.Context, s settings, t *target, pid int) ([]result, error) {
	p, err := newProbe(ctx, s)
	if err != nil {
		return nil, err
	}
	defer p.close(ctx)
	p.serverPID = pid
	var out []result
	for _, op := range t.operations() {
		if !s.only.MatchString(op.name) {
			continue
		}
		r, err := drive(ctx, s, op, t.base, p)
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

func printTable(s settings, signet, floor []result) {
	fmt.Printf("%d connections, closed loop, keep-alive, %s each. CPU is user + system of the process, per request.\n\n", s.connections, s.duration)
	fmt.Println("| request | req/s | p50 ms | p99 ms | errors | server CPU ms | floor CPU ms | × floor | database CPU ms | Redis CPU ms | SQL statements | Redis commands | budget |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for i, r := range signet {
		var floorCPU, times float64
		if i < len(floor) {
			floorCPU = floor[i].server
		}
		if floorCPU > 0 {
			times = r.server / floorCPU
		}
		mark := ""
		if times > mostFloor && r.budget != "" {
			mark = "**" // over the budget
		}
		fmt.Printf("| %s | %.0f | %.2f | %.2f | %d | %.3f | %.3f | %s%.2f%s | %.3f | %.3f | %.2f | %.2f | %s |\n", r.name,
			float64(r.requests)/r.elapsed.Seconds(), ms(r.p50), ms(r.p99), r.errors, r.server, floorCPU, mark, times, mark,
			r.database, r.redisCPU, r.sql, r.redisCommands, r.budget)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
