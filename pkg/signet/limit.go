package signet

import "time"

// Revocations by time: a record's not_before (or changed_at) and the journal's Before are one limit, which takes back
// tokens with iat <= LastSecond(limit). iat has whole seconds, so what is made right after a revocation is dated in the
// first second beyond it, a little ahead of the clock. The next revocation must reach that second although it has not come:
//
//	limit 1 ──▶ LastSecond(limit 1) ──▶ iat of what is made now
//	                                    limit 2 ──▶ LastSecond(limit 2) ──▶ iat of what is made then …
//
// Each revocation within one second so moves the limit a second further. Two bounds end that, safely: nothing is made that
// would have to be dated later than MaxAhead from now (it is refused for a moment), so a limit at MaxAhead from now covers
// all there is, and at LimitAhead also what a node made whose clock is before that of the one that revokes.

const (
	// MaxAhead is how far ahead of the clock anything may be dated. It is within the leeway of verifiers, and reached only by
	// five revocations of one subject in a second.
	MaxAhead = 5 * time.Second
	// LimitAhead is how far ahead of the clock a revocation may put its limit. What lies further ahead is no revocation's.
	LimitAhead = MaxAhead + 2*time.Second
)

// NextLimit is the limit of a revocation at now, when previous is the subject's limit so far (zero: none). It covers
// whatever was made under the previous one, and never moves back.
func NextLimit(now, previous time.Time) time.Time {
	limit := time.Unix(LastSecond(previous)+1, 0).UTC()
	if most := now.Add(LimitAhead); limit.After(most) {
		limit = most
	}
	for _, other := range []time.Time{now, previous.UTC()} {
		if other.After(limit) {
			limit = other
		}
	}
	return limit
}

// FirstSecond is the iat of what is made at now: now, or the first whole second that none of the limits covers. false:
// that second is further ahead than MaxAhead, and nothing may be made.
func FirstSecond(now time.Time, limits ...time.Time) (at time.Time, ok bool) {
	at = now
	for _, limit := range limits {
		if limit.IsZero() {
			continue
		}
		if first := time.Unix(LastSecond(limit)+1, 0).UTC(); first.After(at) {
			at = first
		}
	}
	return at, !at.After(now.Add(MaxAhead))
}

// Begin is the time of a session or grant that begins at now. It has the stores' precision, so that it is now unless one
// of the limits lies ahead of it, as after two revocations within a second; then it is the first moment after that one.
// Where that is further ahead than MaxAhead it is now, and the limit refuses it.
func Begin(now time.Time, limits ...time.Time) time.Time {
	at := now
	for _, limit := range limits {
		if limit.After(at) {
			at = limit.Add(time.Microsecond).UTC()
		}
	}
	if at.After(now.Add(MaxAhead)) {
		return now
	}
	return at
}
