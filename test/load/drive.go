package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// worker is one connection of the closed loop: it sends the next request when the answer has been read.
type worker struct {
	number int
	client *http.Client
	// assertions are signed beforehand, so that the driver's own signatures stay out of the loop.
	assertions []string
	turn       int
	state      map[string]string // what an operation carries from one turn to the next (a refresh token, say)
}

// operation is one kind of request. prepare runs before the clock starts, once a worker; assertions are signed there.
type operation struct {
	name    string
	budget  string
	prepare func(ctx context.Context, w *worker, base string, requests int) error
	do      func(ctx context.Context, w *worker, base string) error
}

type result struct {
	name          string
	budget        string
	requests      int
	errors        int
	firstError    error
	elapsed       time.Duration
	p50, p99      time.Duration
	server        float64 // CPU ms an operation
	database      float64
	redisCPU      float64
	sql           float64 // statements an operation
	redisCommands float64
}

func newWorker(number int) *worker {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxConnsPerHost:     1,
		MaxIdleConnsPerHost: 1,
		DisableCompression:  true,
	}
	return &worker{number: number, state: map[string]string{}, client: &http.Client{
		Transport:     transport,
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// errPrepared ends a worker's loop early: it has used up what was prepared.
var errPrepared = errors.New("prepared requests are used up")

func drive(ctx context.Context, s settings, op operation, base string, probe *probe) (result, error) {
	workers := make([]*worker, s.connections)
	var wait sync.WaitGroup
	prepareErrors := make([]error, s.connections)
	for i := range workers {
		workers[i] = newWorker(i)
		wait.Add(1)
		go func() {
			defer wait.Done()
			if op.prepare != nil {
				seconds := (s.duration + s.warmUp).Seconds()
				prepareErrors[i] = op.prepare(ctx, workers[i], base, int(seconds*9000/float64(s.connections)))
			}
		}()
	}
	wait.Wait()
	if err := errors.Join(prepareErrors...); err != nil {
		return result{}, fmt.Errorf("%s: prepare: %w", op.name, err)
	}
	loop(ctx, op, base, workers, s.warmUp)
	before, err := probe.read(ctx)
	if err != nil {
		return result{}, err
	}
	out := loop(ctx, op, base, workers, s.duration)
	after, err := probe.read(ctx)
	if err != nil {
		return result{}, err
	}
	for _, w := range workers {
		w.client.CloseIdleConnections()
	}
	n := float64(max(out.requests, 1))
	out.name, out.budget = op.name, op.budget
	out.server = (after.server - before.server) / n
	out.database = (after.database - before.database) / n
	out.redisCPU = (after.redis - before.redis) / n
	out.sql = float64(after.statements-before.statements) / n
	out.redisCommands = float64(after.commands-before.commands) / n
	return out, nil
}

func loop(ctx context.Context, op operation, base string, workers []*worker, duration time.Duration) result {
	ctx, cancel := context.WithTimeout(ctx, duration+10*time.Second)
	defer cancel()
	var (
		wait  sync.WaitGroup
		mutex sync.Mutex
		all   []time.Duration
		out   result
	)
	start := time.Now()
	end := start.Add(duration)
	for _, w := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			var mine []time.Duration
			var failed int
			var first error
			for time.Now().Before(end) {
				began := time.Now()
				err := op.do(ctx, w, base)
				if errors.Is(err, errPrepared) {
					break
				}
				if err != nil {
					failed++
					if first == nil {
						first = err
					}
					continue
				}
				mine = append(mine, time.Since(began))
			}
			mutex.Lock()
			defer mutex.Unlock()
			all = append(all, mine...)
			out.errors += failed
			if out.firstError == nil {
				out.firstError = first
			}
		}()
	}
	wait.Wait()
	out.elapsed = time.Since(start)
	out.requests = len(all)
	slices.Sort(all)
	if len(all) > 0 {
		out.p50, out.p99 = all[len(all)/2], all[len(all)*99/100]
	}
	return out
}
