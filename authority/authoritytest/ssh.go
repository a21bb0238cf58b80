package authoritytest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
	"github.com/chancery-ca/chancery/sshca"
)

// SSHPair is an SSH certificate with its private key.
type SSHPair struct {
	Certificate *ssh.Certificate
	Key         crypto.Signer
}

// Signer is what a client or a server shows: see ssh.PublicKeys and ssh.ServerConfig.AddHostKey.
func (p *SSHPair) Signer() ssh.Signer {
	s, err := ssh.NewSignerFromSigner(p.Key)
	if err == nil {
		s, err = ssh.NewCertSigner(p.Certificate, s)
	}
	if err != nil {
		panic("authoritytest: " + err.Error()) // which a pair made here cannot be
	}
	return s
}

// ssh makes the CA one for SSH: Ed25519 keys, one for users and one for hosts.
func (ca *CA) ssh() *authority.SSH {
	ca.userKey, ca.hostKey = ca.newSSHKey(), ca.newSSHKey()
	return &authority.SSH{Issuers: []authority.SSHIssuer{
		{Name: "users", Type: provisioner.SSHUser, Signer: kms.FromCrypto(ca.userKey)},
		{Name: "hosts", Type: provisioner.SSHHost, Signer: kms.FromCrypto(ca.hostKey)},
	}}
}

func (ca *CA) newSSHKey() crypto.Signer {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	ca.must(err)
	return k
}

func (ca *CA) sshPublic(k crypto.Signer) ssh.PublicKey {
	p, err := ssh.NewPublicKey(k.Public())
	ca.must(err)
	return p
}

// SSHUser issues a user certificate for the given principals, with a new Ed25519 key.
func (ca *CA) SSHUser(principals ...string) *SSHPair {
	ca.t.Helper()
	return ca.sshPair(provisioner.SSHUser, principals)
}

// SSHHost issues a host certificate for the given names, with a new Ed25519 key.
func (ca *CA) SSHHost(names ...string) *SSHPair {
	ca.t.Helper()
	return ca.sshPair(provisioner.SSHHost, names)
}

func (ca *CA) sshPair(t provisioner.SSHType, principals []string) *SSHPair {
	ca.t.Helper()
	key := ca.newSSHKey()
	c := ca.IssueSSH(&authority.SSHRequest{Provisioner: Local, Local: true, Type: t, Key: ca.sshPublic(key), Principals: principals})
	return &SSHPair{c.Certificate, key}
}

// IssueSSH takes a request through the pipeline, fails the test if it is refused, and remembers what came
// out for [CA.Check].
func (ca *CA) IssueSSH(r *authority.SSHRequest) *authority.SSHCertificate {
	ca.t.Helper()
	c, err := ca.TrySSH(r)
	ca.must(err)
	return c
}

// TrySSH is IssueSSH for requests that may be refused.
func (ca *CA) TrySSH(r *authority.SSHRequest) (*authority.SSHCertificate, error) {
	c, err := ca.Authority.IssueSSH(ca.t.Context(), r)
	if err == nil {
		ca.mu.Lock()
		ca.issuedSSH = append(ca.issuedSSH, c.Certificate)
		ca.mu.Unlock()
	}
	return c, err
}

// SSHRevoked returns a user certificate that the authority has revoked.
func (ca *CA) SSHRevoked(principals ...string) *SSHPair {
	ca.t.Helper()
	p := ca.SSHUser(principals...)
	_, err := ca.Authority.Revoke(ca.t.Context(), &authority.RevokeRequest{
		Operation: provisioner.SSHRevoke, Serial: authority.SSHSerialOf(p.Certificate), Local: true, ReasonCode: 1,
	})
	ca.must(err)
	return p
}

// SSHExpired returns a user certificate that ended an hour ago.
func (ca *CA) SSHExpired(principals ...string) *SSHPair {
	ca.t.Helper()
	return ca.SignAnySSH(provisioner.SSHUser, func(c *ssh.Certificate) {
		now := time.Now()
		c.ValidAfter, c.ValidBefore = uint64(now.Add(-17*time.Hour).Unix()), uint64(now.Add(-time.Hour).Unix())
	}, principals...)
}

// SSHStranger returns a user certificate of another CA.
func (ca *CA) SSHStranger(principals ...string) *SSHPair {
	ca.t.Helper()
	return New(ca.t).SSHUser(principals...)
}

// SignAnySSH signs with the key of the user or host CA what the pipeline would refuse: a certificate that is
// good for an hour, once spoil has spoilt it. It has no record.
func (ca *CA) SignAnySSH(t provisioner.SSHType, spoil func(*ssh.Certificate), principals ...string) *SSHPair {
	ca.t.Helper()
	key, now := ca.newSSHKey(), time.Now()
	var serial [8]byte
	rand.Read(serial[:]) // never fails since Go 1.24
	c := &ssh.Certificate{
		Key: ca.sshPublic(key), Serial: binary.BigEndian.Uint64(serial[:]) | 1, CertType: uint32(t), ValidPrincipals: principals,
		ValidAfter: uint64(now.Add(-time.Minute).Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix()),
	}
	if len(principals) > 0 {
		c.KeyId = principals[0]
	}
	by := ca.hostKey
	if t == provisioner.SSHUser {
		c.Extensions, by = sshca.UserExtensions(), ca.userKey
	}
	spoil(c)
	s, err := ssh.NewSignerFromSigner(by)
	ca.must(err)
	ca.must(c.SignCert(rand.Reader, s))
	return &SSHPair{c, key}
}

// SSHToken makes a one-time token of the JWK provisioner for an SSH certificate.
func (ca *CA) SSHToken(subject string, t provisioner.SSHTicket) string {
	ca.t.Helper()
	token, err := ca.tokens.Sign(provisioner.Ticket{Audience: URL + "/1.0/ssh/sign", Subject: subject, SSH: &t})
	ca.must(err)
	return token
}

// Token makes the token with which the holder of a certificate renews, rekeys or revokes it: path is
// "/ssh/renew", "/ssh/rekey" or "/ssh/revoke".
func (p *SSHPair) Token(path string) (string, error) {
	ticket := provisioner.Ticket{Audience: URL + "/1.0" + path + "#" + sshpop.Fragment(SSHPOP), Subject: strconv.FormatUint(p.Certificate.Serial, 10)}
	payload, err := ticket.Payload(SSHPOP)
	if err != nil {
		return "", err
	}
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("sshpop", base64.StdEncoding.EncodeToString(p.Certificate.Marshal()))
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: p.Key}, o)
	if err != nil {
		return "", err
	}
	m, err := s.Sign(payload)
	if err != nil {
		return "", err
	}
	return m.CompactSerialize()
}
