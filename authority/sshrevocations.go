package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca/krl"
)

// listedFor is how long after their end certificates are still among [Authority.SSHRevocations].
const listedFor = 24 * time.Hour

// SSHRevocations makes the authority a [krl.Source]: what has been revoked, or abandoned without anybody
// having had it, by every SSH issuer, those that are retired included.
func (a *Authority) SSHRevocations(ctx context.Context, above int64) ([]krl.Change, int64, error) {
	s, err := a.begin()
	if err != nil {
		return nil, 0, err
	}
	revision, err := a.store.Revision(ctx)
	if err != nil {
		return nil, 0, fault("", "looking up what is revoked", err)
	}
	if above > 0 && revision == above {
		return nil, revision, nil
	}
	var out []krl.Change
	for _, i := range s.sshIssuers {
		if err := a.confirmName(ctx, i.id(), i.Name); err != nil {
			return nil, 0, err
		}
		for q := (ChangeQuery{Issuer: i.Name, Above: above, NotAfter: time.Now().Add(-listedFor), Limit: 10_000}); ; {
			page, err := a.store.Changes(ctx, q)
			if err != nil {
				return nil, 0, fault("", "looking up what is revoked", err)
			}
			for _, c := range page.Changes {
				n, ok := c.Serial.SSHSerial()
				if !ok {
					return nil, 0, &Error{Kind: Internal, Code: "serial", Reason: "a record of an SSH certificate has the serial " + string(c.Serial)}
				}
				out = append(out, krl.Change{CA: i.Key, Serial: n, Revoked: c.ReasonCode != ReasonRemoveFromCRL, Until: c.NotAfter})
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return out, revision, nil
}

// id is what the issuer is known by to whoever checks its certificates: a digest of its type and key.
func (i *sshIssuer) id() string {
	sum := sha256.Sum256(append([]byte("ssh/"+i.Type.String()+"/"), i.Key.Marshal()...))
	return hex.EncodeToString(sum[:])
}

// works has the issuer sign something that means nothing: it is no certificate, since none begins like it.
func (i *sshIssuer) works(ctx context.Context) error {
	s, err := i.issuer.Sign(ctx, []byte(readyText))
	if err != nil {
		return err
	}
	return i.Key.Verify([]byte(readyText), s)
}

// RevokeSSHKey revokes every certificate of a public key that has not ended, whoever has it: what to do
// when the private half is lost. See [Authority.RevokeAll].
func (a *Authority) RevokeSSHKey(ctx context.Context, k ssh.PublicKey, r RevokeAllRequest) (RevokedAll, error) {
	if k == nil {
		return RevokedAll{}, refuse(BadRequest, StepDecide, "key", "there is no key")
	}
	r.Query = Query{KeyID: sshKeyID(k)}
	return a.RevokeAll(ctx, &r)
}

// SSHRevoked reports whether a certificate is revoked as far as this authority knows, for the IsRevoked of
// an ssh.CertChecker in the same program. One that is not of ours is not for us to judge. An error is none
// that an unrevoked certificate has: whoever cannot be told should not be let in.
func (a *Authority) SSHRevoked(ctx context.Context, c *ssh.Certificate) (bool, error) {
	s, err := a.begin()
	if err != nil {
		return true, err
	}
	if s.sshSignerOf(c) == nil {
		return false, nil
	}
	r, err := a.store.Certificate(ctx, sshSerial(c.Serial))
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return true, fault("", "looking up the certificate", err)
	}
	return r.Revocation != nil || r.Status != Issued, nil
}

var _ krl.Source = (*Authority)(nil)

// sshRenames is renames for SSH issuers.
func (s *snapshot) sshRenames(next *snapshot) error {
	for _, i := range s.sshIssuers {
		for _, n := range next.sshIssuers {
			if i.id() == n.id() && i.Name != n.Name {
				return renamed(i.Name, n.Name)
			}
		}
	}
	return nil
}
