package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
)

// An operator goes through a balancer from one node to the other: what the one has written a moment ago stands at the other,
// for a version that is named, for an act without one, and for a record that is new.
func TestOperatorChangesNodes(t *testing.T) {
	t.Parallel()
	here, there := newNodes(t)
	made := here.want(http.StatusCreated, "POST", "/admin/v1/clients", `{"client_name":"Shop","grant_types":["client_credentials"],"scope":"a"}`)
	id := made["client_id"].(string)
	for i := range 4 {
		path := "/admin/v1/clients/" + id
		stands := there.want(http.StatusOK, "GET", path, "")
		// The other node knows the record as it was before each of these.
		here.want(http.StatusOK, "PUT", path, fmt.Sprintf(`{"client_name":"Shop %d","grant_types":["client_credentials"],"scope":"a"}`, i),
			"If-Match", fmt.Sprintf(`"%v"`, stands["version"]))
		there.want(http.StatusOK, "POST", path+"/secrets", `{"overlap":0}`)
		stands = here.want(http.StatusOK, "GET", path, "")
		there.want(http.StatusOK, "PUT", path, `{"client_name":"Shop","grant_types":["client_credentials"],"scope":"a"}`,
			"If-Match", fmt.Sprintf(`"%v"`, stands["version"]))
	}
	here.want(http.StatusCreated, "POST", "/admin/v1/resource-servers", oneServer)
	here.want(http.StatusCreated, "POST", "/admin/v1/billers", oneBiller)
	there.want(http.StatusOK, "GET", "/admin/v1/billers/2b8e1d7a-0000-4000-8000-00000000000a", "")
}

// newNodes are two rooms over one database that both hear of changes.
func newNodes(t *testing.T) (here, there *world) {
	t.Helper()
	here = newWorld(t)
	there = newWorldAt(t, here.file, false)
	there.key = here.key
	for _, w := range []*world{here, there} {
		heard := make(chan struct{}, 1)
		w.store.OnChange(func(string, string) {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = w.store.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-ended })
		<-heard // the first poll: from now on it uses what it remembers
	}
	return here, there
}
