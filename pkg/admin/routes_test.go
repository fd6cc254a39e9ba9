package admin_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRoutesAreTheTable: a route that comes, goes or changes its path does so in sight.
func TestRoutesAreTheTable(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, route := range newWorld(t).room.Routes() {
		got.WriteString(strings.Join(route.Methods, ",") + " " + route.Path + " " + route.Name + "\n")
	}
	file := filepath.Join("testdata", "routes.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the routes are\n%s", got.String())
	}
}
