package storagetest

import (
	"reflect"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestDevices(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		a, _ := w.account(t)
		d := w.device(t, a.ID)
		for range 2 {
			got, err := w.Device(t.Context(), d.DCN, d.ID)
			want(t, "Device", err, "")
			if !reflect.DeepEqual(got, d) || got.Version != 1 || !got.CreatedAt.Equal(kept(w.clock.Now())) {
				t.Fatalf("got %+v\nwant %+v", got, d)
			}
		}
		w.audited(t, "taken", signet.EventDeviceCreated, signet.CodeConflict, func(e signet.Event) error {
			return w.InsertDevice(t.Context(), &signet.Device{DCN: d.DCN, ID: d.ID, AccountID: a.ID}, e)
		})
		want(t, "no account", w.InsertDevice(t.Context(), &signet.Device{DCN: "1", ID: "x", AccountID: "nowhere"}, event(signet.EventDeviceCreated)), signet.CodeNotFound)
		// The cache joins DCN and id by "/": no two devices may share a name there.
		want(t, "a slash in the id", w.InsertDevice(t.Context(), &signet.Device{DCN: "1", ID: "2/" + d.ID, AccountID: a.ID}, event(signet.EventDeviceCreated)),
			signet.CodeInvalidRequest)
		for _, name := range [][2]string{
			{"1000", "2/" + d.ID}, {"1000/2/", d.ID}, {"1000/2", "nobody"}, {"", d.ID}, {"1000/2", ""}, {"\x00", d.ID}, {"' OR 1=1--", d.ID},
		} {
			_, err := w.Device(t.Context(), name[0], name[1])
			want(t, name[0]+" "+name[1], err, signet.CodeNotFound)
			want(t, name[0]+" "+name[1], w.SetDeviceDisabled(t.Context(), name[0], name[1], true, event(signet.EventDeviceDisabled)), signet.CodeNotFound)
		}

		many := func(n int) {
			t.Helper()
			got, err := w.DevicesByID(t.Context(), d.ID)
			want(t, "DevicesByID", err, "")
			if len(got) != n {
				t.Fatalf("%d devices, want %d", len(got), n)
			}
		}
		many(1)
		for i, n := range []int{2, 2} { // two are enough to know that it is ambiguous
			same := &signet.Device{DCN: string(rune('a' + i)), ID: d.ID, AccountID: a.ID, Hash: newHash()}
			want(t, "InsertDevice", w.InsertDevice(t.Context(), same, event(signet.EventDeviceCreated)), "")
			many(n)
		}
		list, err := w.ListDevices(t.Context(), a.ID)
		want(t, "ListDevices", err, "")
		if len(list) != 3 {
			t.Fatalf("%d devices", len(list))
		}

		for _, disabled := range []bool{true, false} {
			w.audited(t, "SetDeviceDisabled", signet.EventDeviceDisabled, "", func(e signet.Event) error {
				return w.SetDeviceDisabled(t.Context(), d.DCN, d.ID, disabled, e)
			})
			before := w.count(t, "SELECT COUNT(*) FROM audit_events")
			want(t, "again", w.SetDeviceDisabled(t.Context(), d.DCN, d.ID, disabled, event(signet.EventDeviceDisabled)), "")
			got, err := w.Device(t.Context(), d.DCN, d.ID)
			want(t, "Device", err, "")
			if got.Disabled() != disabled || w.count(t, "SELECT COUNT(*) FROM audit_events") != before {
				t.Fatalf("got %+v", got)
			}
		}
	})
}
