package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	state := func(code string) error {
		return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code, Message: "canary", Detail: "canary", Hint: "canary", Where: "canary"})
	}
	for _, c := range []struct {
		name  string
		err   error
		want  signet.Code
		retry bool
	}{
		{"nothing", nil, "", false},
		{"ours", fmt.Errorf("x: %w", signet.ErrUsed), signet.CodeUsed, false},
		{"no row", gorm.ErrRecordNotFound, signet.CodeNotFound, false},
		{"unique", state("23505"), signet.CodeConflict, false},
		{"reference", state("23503"), signet.CodeNotFound, false},
		{"text", state("22021"), signet.CodeInvalidRequest, false},
		{"serialisation", state("40001"), signet.CodeUnavailable, true},
		{"deadlock", state("40P01"), signet.CodeUnavailable, true},
		{"read only", state("25006"), signet.CodeUnavailable, false},
		{"shutdown", state("57P01"), signet.CodeUnavailable, false},
		{"too many connections", state("53300"), signet.CodeUnavailable, false},
		{"lock timeout", state("55P03"), signet.CodeUnavailable, true},
		{"statement timeout", state("57014"), signet.CodeUnavailable, false},
		{"syntax", state("42601"), signet.CodeUnavailable, false},
		{"deadline", context.DeadlineExceeded, signet.CodeUnavailable, false},
		{"anything", errors.New("connection reset"), signet.CodeUnavailable, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := translate(c.err)
			if signet.CodeOf(got) != c.want || mayRetry(got) != c.retry {
				t.Fatalf("got %v, retry %v", got, mayRetry(got))
			}
			if got != nil && strings.Contains(got.Error(), "canary") {
				t.Fatalf("the server's text is in %q", got)
			}
		})
	}
}
