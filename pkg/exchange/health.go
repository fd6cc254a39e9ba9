package exchange

import (
	"maps"
	"net/http"
	"slices"
)

// health is GET /health: the process answers.
func (e *Exchange) health(w http.ResponseWriter, _ *http.Request) {
	writeBytes(w, http.StatusOK, typePlain+charset, []byte("Healthy"))
}

// healthDetails is GET /healthdetails: one text for each thing that signet stands on, "name: up" or "name: down", sorted.
// Names alone: addresses and errors are nobody's business here.
func (e *Exchange) healthDetails(w http.ResponseWriter, r *http.Request) {
	states := e.o.Dependencies(r.Context())
	lines := make([]string, 0, len(states))
	for _, name := range slices.Sorted(maps.Keys(states)) {
		state := "down"
		if states[name] {
			state = "up"
		}
		lines = append(lines, name+": "+state)
	}
	e.write(w, r, http.StatusOK, lines)
}
