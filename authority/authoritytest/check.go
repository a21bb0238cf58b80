package authoritytest

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/sshca"
)

// Check fails the test unless the CA's books are in order: what [Verify] proves of the store, each
// certificate handed out by [CA.Issue] and [CA.Try] among its records, and exactly one event published
// for each certificate issued and for each one abandoned.
func (ca *CA) Check() {
	ca.t.Helper()
	ca.Faults.Clear()
	ca.mu.Lock()
	var handed []*x509.Certificate
	for _, c := range ca.issued {
		handed = append(handed, c.Leaf)
	}
	ca.mu.Unlock()
	if _, err := ca.Authority.Reconcile(context.Background(), time.Now().Add(time.Hour)); err != nil {
		ca.t.Errorf("authoritytest: %v", err)
	}
	records, faults := Verify(context.Background(), ca.Authority, handed)
	ca.mu.Lock()
	for _, c := range ca.issuedSSH {
		if r := records[authority.SSHSerialOf(c)]; r == nil || !bytes.Equal(r.DER, c.Marshal()) || r.Status != authority.Issued {
			faults = append(faults, fmt.Sprintf("SSH certificate %x was handed out and is not in the store", c.Serial))
		}
	}
	ca.mu.Unlock()
	for _, f := range append(faults, eventFaults(records, ca.Events.Events())...) {
		ca.t.Errorf("authoritytest: %s", f)
	}
}

// Verify reads everything in an authority's store and returns what is wrong with it: a record left
// half-way, a certificate that is not the one recorded before it was signed or not signed by its issuer,
// a serial twice, a certificate handed out that the store does not know, a CRL that would not list exactly
// what is revoked. It needs reservations to have
// been reconciled, and nothing to be issued meanwhile.
func Verify(ctx context.Context, a *authority.Authority, handed []*x509.Certificate) (records map[authority.Serial]*authority.Record, faults []string) {
	records = map[authority.Serial]*authority.Record{}
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	issuers := a.Intermediates()
	for q := (authority.Query{Limit: 1000}); ; {
		page, err := a.Certificates(ctx, q)
		if err != nil {
			say("listing: %v", err)
			break
		}
		for _, r := range page.Records {
			if records[r.Serial] != nil {
				say("serial %s is there twice", r.Serial)
			}
			records[r.Serial] = r
			f := ""
			if r.IsSSH() {
				f = sshRecordFault(r, a.SSHIssuers())
			} else {
				f = recordFault(r, issuers)
			}
			if f != "" {
				say("record %s: %s", r.Serial, f)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	faults = append(faults, changeFaults(ctx, a, records)...)
	for _, c := range handed {
		r := records[authority.SerialOf(c.SerialNumber)]
		if r == nil || !bytes.Equal(r.DER, c.Raw) || r.Status != authority.Issued {
			say("certificate %x was handed out and is not in the store", c.SerialNumber)
		}
	}
	return records, faults
}

// changeFaults compares what CRLs will list with the records.
func changeFaults(ctx context.Context, a *authority.Authority, records map[authority.Serial]*authority.Record) (faults []string) {
	listed := map[authority.Serial]int{}
	var issuers []string
	for _, i := range a.Issuers() {
		issuers = append(issuers, i.Name)
	}
	for _, i := range a.SSHIssuers() {
		issuers = append(issuers, i.Name)
	}
	for _, name := range issuers {
		for q := (authority.ChangeQuery{Issuer: name}); ; {
			page, err := a.Store().Changes(ctx, q)
			if err != nil {
				return append(faults, fmt.Sprintf("listing changes: %v", err))
			}
			for _, c := range page.Changes {
				listed[c.Serial]++
				if r := records[c.Serial]; r == nil || r.Revocation == nil && r.Status != authority.Abandoned {
					faults = append(faults, fmt.Sprintf("a CRL will list %s, which is not revoked", c.Serial))
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	for s, r := range records {
		if n := listed[s]; n > 1 || n == 0 && r.Revocation != nil {
			faults = append(faults, fmt.Sprintf("a CRL will list %s %d times", s, n))
		}
	}
	return faults
}

func recordFault(r *authority.Record, issuers []*x509.Certificate) string {
	switch r.Status {
	case authority.Abandoned:
		if len(r.DER) > 0 {
			return "abandoned, and has a certificate"
		}
		return ""
	case authority.Issued:
	default:
		return fmt.Sprintf("is %s", r.Status)
	}
	c, err := r.Certificate()
	switch {
	case err != nil:
		return err.Error()
	case !bytes.Equal(c.RawTBSCertificate, r.TBS):
		return "what was signed is not what was recorded"
	case authority.SerialOf(c.SerialNumber) != r.Serial:
		return "has another certificate's serial"
	}
	for _, i := range issuers {
		if c.CheckSignatureFrom(i) == nil {
			return ""
		}
	}
	return "is signed by none of the issuers"
}

func sshRecordFault(r *authority.Record, issuers []authority.SSHIssuerInfo) string {
	switch r.Status {
	case authority.Abandoned:
		if len(r.DER) > 0 {
			return "abandoned, and has a certificate"
		}
		return ""
	case authority.Issued:
	default:
		return fmt.Sprintf("is %s", r.Status)
	}
	c, err := r.SSHCertificate()
	switch {
	case err != nil:
		return err.Error()
	case !bytes.Equal(sshca.Unsigned(c), r.TBS):
		return "what was signed is not what was recorded"
	case authority.SSHSerialOf(c) != r.Serial:
		return "has another certificate's serial"
	case len(c.ValidPrincipals) == 0:
		return "has no principals, so it is good for everybody"
	}
	for _, i := range issuers {
		if i.Name == r.Issuer && sshca.SignedBy(c, uint32(i.Type), i.Key) {
			return ""
		}
	}
	return "is not signed by its issuer"
}

func eventFaults(records map[authority.Serial]*authority.Record, events []event.Event) (faults []string) {
	issued, abandoned := map[authority.Serial]int{}, map[authority.Serial]int{}
	for _, e := range events {
		if strings.Trim(e.ID, "0123456789abcdefghijklmnopqrstuvwxyz-") != "" { // some sinks take no others
			faults = append(faults, fmt.Sprintf("the ID of an event is %q", e.ID))
		}
		switch e.Type {
		case event.CertificateIssued, event.CertificateRenewed, event.CertificateRekeyed:
			issued[authority.Serial(e.Subject)]++
		case event.IssuanceAbandoned:
			abandoned[authority.Serial(e.Subject)]++
		}
	}
	for s, r := range records {
		if want := btoi(r.Status == authority.Issued); issued[s] != want {
			faults = append(faults, fmt.Sprintf("%s certificate %s has %d issue events", r.Status, s, issued[s]))
		}
		if r.Status != authority.Abandoned && abandoned[s] > 0 {
			faults = append(faults, fmt.Sprintf("%s certificate %s is said to be abandoned", r.Status, s))
		}
	}
	for s := range issued {
		if records[s] == nil {
			faults = append(faults, fmt.Sprintf("an issue event for %s, which has no record", s))
		}
	}
	return faults
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
