package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestMannWhitney(t *testing.T) {
	t.Parallel()
	series := func(from, step float64, n int) (out []float64) {
		for i := range n {
			out = append(out, from+step*float64(i))
		}
		return out
	}
	for _, c := range []struct {
		name      string
		a, b      []float64
		low, high float64
	}{
		{"the same values", series(0, 1, 50), series(0, 1, 50), 0.99, 1},
		{"interleaved", series(0, 2, 100), series(1, 2, 100), 0.8, 1},
		{"all alike", series(7, 0, 30), series(7, 0, 30), 1, 1},
		{"apart", series(0, 1, 50), series(100, 1, 50), 0, 1e-15},
		// U = 25 of 100, mean 50, deviation sqrt(175): z = 24.5/13.229 = 1.852, p = 0.0640.
		{"by hand", series(0, 2, 10), series(9.5, 1, 10), 0.0635, 0.0645},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if p := mannWhitney(c.a, c.b); p < c.low || p > c.high {
				t.Errorf("p = %g, want %g to %g", p, c.low, c.high)
			}
			if p, q := mannWhitney(c.a, c.b), mannWhitney(c.b, c.a); math.Abs(p-q) > 1e-12 {
				t.Errorf("not symmetric: %g and %g", p, q)
			}
		})
	}
}

// Under the hypothesis p is uniform: about one in a hundred lies under 0.01. A shift of a fifth of a deviation in 2,000
// samples, far less than a hash that is not computed, is always seen.
func TestMannWhitneyErrsAsOftenAsItSays(t *testing.T) {
	t.Parallel()
	source := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, shift float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = math.Exp(source.NormFloat64()/4) + shift
		}
		return out
	}
	low := 0
	for range 1000 {
		if mannWhitney(draw(100, 0), draw(100, 0)) < enough {
			low++
		}
	}
	if low < 2 || low > 25 {
		t.Errorf("%d of 1000 equal pairs are called different at %g", low, enough)
	}
	if p := mannWhitney(draw(2000, 0), draw(2000, 0.05)); p > 1e-4 {
		t.Errorf("a shift is not seen: p = %g", p)
	}
}
