package sqlstore

// Reserve and Commit are what an authority waits for with every certificate. A store whose database does
// each in one statement takes these, in place of Apply.

// ReservationParts is what a [Reservation] writes.
type ReservationParts struct {
	Spend []byte // nil: nothing is spent
	Until int64

	Record     []any // the columns of a new row of certificates, from serial to der
	ReservedAt int64
	Terms      []int64
}

// Parts returns what r writes.
func (r *Reservation) Parts() ReservationParts {
	return ReservationParts{Spend: r.spent.id, Until: r.spent.until, Record: r.row.args, ReservedAt: r.row.reservedAt, Terms: r.row.terms}
}

// CommitmentParts is what a [Commitment] writes, if the reservation of Serial has TBS. If it has not, or
// TBS is nil, Apply has to look why.
type CommitmentParts struct {
	Serial, TBS, Kept []byte // Kept is the new der
	At                int64
	Sinks             []string // one per event and sink, as are the next two
	Times             []int64
	Payloads          [][]byte
}

// Parts returns what c writes.
func (c *Commitment) Parts() CommitmentParts {
	p := CommitmentParts{Serial: c.serial, TBS: c.tbs, Kept: c.rest, At: c.at}
	for _, e := range c.posts {
		p.Sinks, p.Times, p.Payloads = append(p.Sinks, e.sink), append(p.Times, e.at), append(p.Payloads, e.payload)
	}
	return p
}
