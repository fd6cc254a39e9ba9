package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// eventFields are the columns that audit and traffic events share.
type eventFields struct {
	ID        string `gorm:"primaryKey"`
	Kind      string
	At        time.Time
	Actor     string
	ClientID  string
	UserID    string
	KeyID     string
	Address   string
	Target    string
	Reason    string
	RequestID string
}

const eventColumns = "id, kind, at, actor, client_id, user_id, key_id, address, target, reason, request_id"

func newEventFields(e signet.Event, now time.Time) eventFields {
	if e.ID == "" {
		e.ID = signet.NewEventID()
	}
	if e.At.IsZero() {
		e.At = now
	}
	return eventFields{
		ID: string(e.ID), Kind: string(e.Kind), At: utc(e.At), Actor: cleanText(e.Actor),
		ClientID: cleanText(string(e.ClientID)), UserID: cleanText(string(e.UserID)), KeyID: cleanText(e.KeyID),
		Address: cleanText(e.Address), Target: cleanText(e.Target), Reason: cleanText(e.Reason), RequestID: cleanText(e.RequestID),
	}
}

func (f *eventFields) event() signet.Event {
	return signet.Event{
		ID: signet.EventID(f.ID), Kind: signet.EventKind(f.Kind), At: f.At.UTC(), Actor: f.Actor,
		ClientID: signet.ClientID(f.ClientID), UserID: signet.UserID(f.UserID), KeyID: f.KeyID,
		Address: f.Address, Target: f.Target, Reason: f.Reason, RequestID: f.RequestID,
	}
}

// auditRow is one link of a node's chain.
type auditRow struct {
	Node   string      `gorm:"primaryKey"`
	Seq    int64       `gorm:"primaryKey;autoIncrement:false"`
	Fields eventFields `gorm:"embedded"`
	Prev   []byte
	Hash   []byte
}

// TableName is gorm's name of the table.
func (auditRow) TableName() string { return "audit_events" }

func newAuditRow(node signet.NodeID, e signet.Event, now time.Time) auditRow {
	return auditRow{Node: string(node), Fields: newEventFields(e, now)}
}

// link puts the row behind head.
func (r *auditRow) link(head chain) {
	r.Seq = head.seq + 1
	r.Prev = head.hash
	if r.Prev == nil {
		r.Prev = make([]byte, sha256.Size) // before the first
	}
	r.Hash = r.sum()
}

// sum is SHA-256 over the previous hash and every column, each with its length in front so that no two rows write the
// same bytes.
func (r *auditRow) sum() []byte {
	var b bytes.Buffer
	put := func(text string) {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(text)))
		b.Write(size[:])
		b.WriteString(text)
	}
	put(string(r.Prev))
	put(r.Node)
	put(fmt.Sprint(r.Seq))
	put(fmt.Sprint(r.Fields.At.UnixMicro()))
	f := &r.Fields
	for _, text := range []string{f.ID, f.Kind, f.Actor, f.ClientID, f.UserID, f.KeyID, f.Address, f.Target, f.Reason, f.RequestID} {
		put(text)
	}
	sum := sha256.Sum256(b.Bytes())
	return sum[:]
}

// Record writes an audit event that stands alone; inside a transaction it is written with it. A caller that hangs up
// does not keep it from being written. Error: CodeUnavailable.
func (s *Store) Record(ctx context.Context, event signet.Event) error {
	if s.current(ctx) == nil {
		ctx = context.WithoutCancel(ctx)
	}
	return s.act(ctx, func(_ context.Context, t *transaction) error {
		t.note(event)
		return nil
	})
}

// ListEvents returns audit events, the newest first; after is the last id of the page before.
// Errors: CodeNotFound when after names nothing, CodeUnavailable.
func (s *Store) ListEvents(ctx context.Context, after string, limit int) ([]signet.Event, error) {
	var rows []eventFields
	var err error
	if after == "" {
		err = s.all(ctx, &rows, "SELECT "+eventColumns+" FROM audit_events ORDER BY at DESC, id DESC LIMIT ?", limit)
	} else {
		if !findable(after) {
			return nil, signet.ErrNotFound
		}
		var last eventFields
		if err := s.one(ctx, &last, "SELECT id, at FROM audit_events WHERE id = ?", after); err != nil {
			return nil, err
		}
		err = s.all(ctx, &rows, "SELECT "+eventColumns+" FROM audit_events WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?",
			last.At.UTC(), last.ID, limit)
	}
	out := make([]signet.Event, len(rows))
	for i := range rows {
		out[i] = rows[i].event()
	}
	return out, err
}

// LastIssued is when a client last got a token by a grant type, as far as traffic events go back (30 days). The kind stands
// in the text, as in the condition of the index traffic_events_issued: neither engine uses a partial index for a value
// that it does not know when it plans.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) LastIssued(ctx context.Context, client signet.ClientID, grantType string) (time.Time, error) {
	if !findable(string(client)) {
		return time.Time{}, signet.ErrNotFound
	}
	var row struct{ At time.Time }
	err := s.one(ctx, &row, "SELECT at FROM traffic_events WHERE kind = 'token.issued' AND client_id = ? AND reason = ? ORDER BY at DESC LIMIT 1",
		string(client), grantType)
	return row.At.UTC(), err
}

// verifyBatch is how many links VerifyAudit reads at once.
const verifyBatch = 500

// VerifyAudit walks the audit chain of every node and returns the number of events seen. A row that was altered, taken
// out or put in gives CodeConflict with the place in Reason; the oldest row left by retention anchors each chain.
func (s *Store) VerifyAudit(ctx context.Context) (events int, err error) {
	var nodes []string
	if err := s.all(ctx, &nodes, "SELECT DISTINCT node FROM audit_events ORDER BY node"); err != nil {
		return 0, err
	}
	for _, node := range nodes {
		var head chain
		for {
			var rows []auditRow
			err := s.all(ctx, &rows, "SELECT node, seq, "+eventColumns+", prev, hash FROM audit_events WHERE node = ? AND seq > ? ORDER BY seq LIMIT ?",
				node, head.seq, verifyBatch)
			if err != nil {
				return events, err
			}
			for i := range rows {
				row := &rows[i]
				linked := !head.known || (row.Seq == head.seq+1 && bytes.Equal(row.Prev, head.hash))
				if !linked || !bytes.Equal(row.sum(), row.Hash) {
					return events, signet.NewError(signet.CodeConflict, "", fmt.Sprintf("audit_chain_broken_at_%s_%d", node, row.Seq))
				}
				head = chain{known: true, seq: row.Seq, hash: row.Hash}
				events++
			}
			if len(rows) < verifyBatch {
				break
			}
		}
	}
	return events, nil
}
