package export_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/export"
	"github.com/chancery-ca/chancery/provisioner"
)

func Example() {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	store := authority.NewMemory()
	err := store.Reserve(context.Background(), &authority.Record{
		Serial: "1f", Issuer: "intermediate", TBS: []byte{5, 0}, Names: []string{"db.internal"},
		NotBefore: day, NotAfter: day.Add(24 * time.Hour), ReservedAt: day,
	}, provisioner.Spend{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// With an authority, its Each is the source.
	records := func(yield func(*authority.Record, error) bool) {
		r, err := store.Certificate(context.Background(), "1f")
		yield(r, err)
	}
	if err := export.JSONLines(os.Stdout, export.Bare(records)); err != nil {
		fmt.Println(err)
	}
	// Output: {"serial":"1f","serialDecimal":"31","status":"reserved","issuer":"intermediate","names":["db.internal"],"notBefore":"2026-01-02T00:00:00Z","notAfter":"2026-01-03T00:00:00Z","reservedAt":"2026-01-02T00:00:00Z"}
}
