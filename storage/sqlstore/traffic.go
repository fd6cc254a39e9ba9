package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// trafficQueue bounds the events that wait to be written.
	trafficQueue = 16 << 10
	// trafficEvery is the longest an event waits while the database answers.
	trafficEvery = time.Second
	// trafficBatch is the largest number of rows in one statement.
	trafficBatch = 256
	// drainTimeout bounds writing what is left when the process ends.
	drainTimeout = 15 * time.Second
)

// trafficRow is a row of traffic_events.
type trafficRow struct {
	Node   string
	Fields eventFields `gorm:"embedded"`
}

// TableName is gorm's name of the table.
func (trafficRow) TableName() string { return "traffic_events" }

// Traffic queues a traffic event. It never blocks: when the queue is full the event is dropped and counted. Identifier
// and time are set here when the event has none.
func (s *Store) Traffic(event signet.Event) {
	if event.At.IsZero() {
		event.At = s.now()
	}
	if s.opts.OnTraffic != nil {
		s.opts.OnTraffic(event)
	}
	select {
	case s.traffic <- event:
	default:
		s.dropped.Add(1)
	}
}

// Dropped returns the number of traffic events that found the queue full.
func (s *Store) Dropped() uint64 { return s.dropped.Load() }

// runTraffic writes batches until ctx ends, then what is left.
func (s *Store) runTraffic(ctx context.Context) {
	ticker := time.NewTicker(trafficEvery / 2)
	defer ticker.Stop()
	var rows []trafficRow
	for {
		select {
		case <-ctx.Done():
			s.drainTraffic(rows)
			return
		case event := <-s.traffic:
			rows = append(rows, trafficRow{Node: string(s.opts.Node), Fields: newEventFields(event, s.now())})
			if len(rows) < trafficBatch {
				continue
			}
		case <-ticker.C:
		}
		rows = s.writeTraffic(ctx, rows)
		for len(rows) >= trafficBatch {
			// The database is away: hold what was taken, let the queue fill, and try again without haste.
			if !pause(ctx, trafficEvery) {
				break
			}
			rows = s.writeTraffic(ctx, rows)
		}
	}
}

func (s *Store) drainTraffic(rows []trafficRow) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for {
		select {
		case event := <-s.traffic:
			rows = append(rows, trafficRow{Node: string(s.opts.Node), Fields: newEventFields(event, s.now())})
			continue
		default:
		}
		break
	}
	if rows = s.writeTraffic(ctx, rows); len(rows) > 0 {
		s.opts.Log.Error("traffic events lost at the end", "count", len(rows))
	}
}

// writeTraffic writes rows and returns those that could not be. Sizes are powers of two, so that the database sees few
// different statements; a row written before (the answer was lost) is not doubled.
func (s *Store) writeTraffic(ctx context.Context, rows []trafficRow) []trafficRow {
	for len(rows) > 0 {
		size := trafficBatch
		for size > len(rows) {
			size /= 2
		}
		if err := s.insertTraffic(ctx, rows[:size]); err != nil {
			if ctx.Err() == nil {
				s.opts.Log.Error("traffic events could not be written", "waiting", len(rows)+len(s.traffic), "error", err)
			}
			return rows
		}
		rows = rows[size:]
	}
	return nil
}

func (s *Store) insertTraffic(ctx context.Context, rows []trafficRow) error {
	db, limited, cancel := s.on(ctx)
	defer cancel()
	leave, err := s.enter(limited)
	if err != nil {
		return err
	}
	defer leave()
	return translate(db.Clauses(doNothing()).Create(&rows).Error)
}
