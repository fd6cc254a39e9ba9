package keys

import "context"

// KeepUp is one turn of Run, without its clock.
func KeepUp(r *Ring, ctx context.Context) error { return r.keepUp(ctx) }
