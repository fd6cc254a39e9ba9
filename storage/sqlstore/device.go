package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// deviceRow is a row of devices.
type deviceRow struct {
	DCN        string `gorm:"column:dcn;primaryKey"`
	ID         string `gorm:"primaryKey"`
	AccountID  string
	Name       string
	Hash       []byte
	HashKey    string
	DisabledAt *time.Time
	CreatedAt  time.Time
	Version    int64
}

// TableName is gorm's name of the table.
func (deviceRow) TableName() string { return "devices" }

const deviceColumns = "dcn, id, account_id, name, hash, hash_key, disabled_at, created_at, version"

func (r *deviceRow) device() signet.Device {
	return signet.Device{
		ID: r.ID, DCN: r.DCN, AccountID: r.AccountID, Name: r.Name, Hash: secretHash(r.HashKey, r.Hash),
		DisabledAt: utcPtr(r.DisabledAt), CreatedAt: r.CreatedAt.UTC(), Version: r.Version,
	}
}

// Device finds a device, at most 1 s stale. The record is shared: read only. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Device(ctx context.Context, dcn, id string) (*signet.Device, error) {
	if !findable(dcn) || !pathSafe(id) {
		return nil, signet.ErrNotFound
	}
	name := dcn + "/" + id // id has no "/": no two devices share a name
	if d := warm(ctx, s, s.devices, name); d != nil {
		return d, nil
	}
	return through(ctx, s, s.devices, name, func(ctx context.Context, _ string) (*signet.Device, error) {
		return first(s.queryDevices(ctx, "dcn = ? AND id = ?", dcn, id))
	})
}

// DevicesByID returns at most two devices of that id: more than one means that the id alone is ambiguous. It always reads
// the database. Error: CodeUnavailable.
func (s *Store) DevicesByID(ctx context.Context, id string) ([]signet.Device, error) {
	if !findable(id) {
		return nil, nil
	}
	return s.queryDevices(ctx, "id = ? ORDER BY dcn LIMIT 2", id)
}

// ListDevices returns an account's devices. Error: CodeUnavailable.
func (s *Store) ListDevices(ctx context.Context, account string) ([]signet.Device, error) {
	if !findable(account) {
		return nil, nil
	}
	return s.queryDevices(ctx, "account_id = ? ORDER BY dcn, id", account)
}

func (s *Store) queryDevices(ctx context.Context, where string, args ...any) ([]signet.Device, error) {
	var rows []deviceRow
	if err := s.all(ctx, &rows, "SELECT "+deviceColumns+" FROM devices WHERE "+where, args...); err != nil {
		return nil, err
	}
	out := make([]signet.Device, len(rows))
	for i := range rows {
		out[i] = rows[i].device()
	}
	return out, nil
}

// InsertDevice writes a device at version 1 and sets Version and CreatedAt of the given one. Errors: CodeConflict when
// the device is there, CodeNotFound when there is no such account, CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertDevice(ctx context.Context, d *signet.Device, event signet.Event) error {
	if !findable(d.DCN) || !pathSafe(d.ID) {
		return signet.NewError(signet.CodeInvalidRequest, "The device's id or DCN cannot be used.", "device_id")
	}
	if err := storable(d.AccountID, d.Name); err != nil {
		return err
	}
	var created time.Time
	err := s.act(ctx, func(ctx context.Context, t *transaction) error {
		created = createdAt(d.CreatedAt, t.now)
		row := &deviceRow{
			DCN: d.DCN, ID: d.ID, AccountID: d.AccountID, Name: d.Name, Hash: d.Hash.Sum[:], HashKey: string(d.Hash.KeyID),
			DisabledAt: utcPtr(d.DisabledAt), CreatedAt: created, Version: 1,
		}
		if err := s.insert(ctx, row); err != nil {
			return err
		}
		t.change(changedDevices, d.DCN+"/"+d.ID)
		t.note(event)
		return nil
	})
	if err == nil {
		d.CreatedAt, d.Version = created, 1
	}
	return err
}

// SetDeviceDisabled disables or enables a device. What is already so: nil, nothing written.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) SetDeviceDisabled(ctx context.Context, dcn, id string, disabled bool, event signet.Event) error {
	if !findable(dcn) || !findable(id) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		_, done, err := s.disable(ctx, t, disabling{table: "devices", where: "dcn = ? AND id = ?", args: []any{dcn, id}, disabled: disabled})
		if err != nil || !done {
			return err
		}
		t.change(changedDevices, dcn+"/"+id)
		t.note(event)
		return nil
	})
}
