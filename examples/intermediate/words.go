package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

// banner says how to reach the CA, in lines that can be pasted.
func (s *server) banner(w io.Writer) {
	file := s.live.Load().file
	url := stepconfig.URL(file.DNSNames[0], s.listener.Addr().String())
	fingerprint := stepconfig.Fingerprint(s.ca.Roots()[0])
	provisioner, password := s.clientPassword(file)

	verb := "is up"
	if s.folder.made {
		verb = "was made, and is up"
	}
	fmt.Fprintf(w, "\nYour certificate authority %s.\n\n", verb)
	fmt.Fprintf(w, "  URL               %s\n", url)
	fmt.Fprintf(w, "  Root fingerprint  %s\n", fingerprint)
	fmt.Fprintf(w, "  Configuration     %s\n", absolute(s.folder.config))
	if s.folder.passwordFile != "" {
		opens := "opens the CA's keys"
		if password != "" {
			opens += fmt.Sprintf(", and the provisioner %q", provisioner)
		}
		fmt.Fprintf(w, "  Password          %s (%s)\n", absolute(s.folder.passwordFile), opens)
	}
	s.published(w)
	fmt.Fprintf(w, "\nTrust it from a machine that has the step CLI:\n\n")
	fmt.Fprintf(w, "  step ca bootstrap --ca-url %s --fingerprint %s\n\n", quote(url), fingerprint)
	if provisioner != "" {
		fmt.Fprintf(w, "and get a certificate:\n\n")
		fmt.Fprintf(w, "  step ca certificate localhost srv.crt srv.key --provisioner %s%s\n\n", quote(provisioner), password)
	}
	s.sshWords(w, url, provisioner, password)
	s.acmeWords(w, url)
}

// published says where relying parties find out what is revoked: the URLs that certificates carry, or, if
// they carry none, where it is served.
func (s *server) published(w io.Writer) {
	line := func(what string, urls []string) {
		if len(urls) > 0 {
			fmt.Fprintf(w, "  %-16s  %s\n", what, strings.Join(urls, " "))
		}
	}
	to := s.ca.Issuers()[0].Pointers
	if p := s.live.Load().publication; s.plain != nil {
		base := "http://" + s.plain.Addr().String()
		if p.crl != nil && to.CRLDistributionPoints == nil {
			to.CRLDistributionPoints = []string{base + "/crl"}
		}
		if p.ocsp != nil && to.OCSPServers == nil {
			to.OCSPServers = []string{base + stepconfig.OCSPPath}
		}
	}
	line("CRL", to.CRLDistributionPoints)
	line("Delta CRL", to.FreshestCRL)
	line("OCSP", to.OCSPServers)
	line("Issuer", to.IssuingCertificateURLs)
}

// clientPassword names the first provisioner whose key clients can fetch, and the flag with which the
// step CLI opens it, if the password at hand does.
func (s *server) clientPassword(file *stepconfig.File) (provisioner, flag string) {
	for _, p := range file.Provisioners {
		if len(p.EncryptedKeys) == 0 {
			continue
		}
		if s.folder.passwordFile == "" {
			return p.Name, ""
		}
		password, err := readPassword(s.folder.passwordFile)
		if err != nil {
			return p.Name, ""
		}
		if _, err := jwk.Decrypt(p.EncryptedKeys[0], password); err != nil {
			return p.Name, ""
		}
		return p.Name, " --provisioner-password-file " + quote(absolute(s.folder.passwordFile))
	}
	return "", ""
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// explain says what to do about an error, for people.
func explain(err error) string {
	text := err.Error()
	if faults := stepconfig.Faults(err); len(faults) > 1 {
		text = fmt.Sprintf("%d things are wrong with the configuration:", len(faults))
		for _, f := range faults {
			text += "\n  " + f.Error()
		}
	}
	hint := ""
	op, listening := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, authority.ErrLocked):
		hint = "Another process serves this CA already. Stop it first, or start this one with another -dir."
	case errors.Is(err, sqlite.ErrRestored):
		hint = "Put the newest copy of the database and its journal, the .ledger beside it, there. If this is the newest, start once with -restored replay: " +
			"it revokes again what was revoked since, and goes on without the records that are lost. If the journal is lost or damaged, " +
			"-restored accept begins another, and what only the old one knew to be revoked is good again. Until then, certificates list shows what is known."
	case errors.Is(err, authority.ErrReadOnly):
		hint = "The records of what is issued must be written there. Check owner and permissions of the folder."
	case errors.Is(err, authority.ErrFull):
		hint = "Nothing is issued that cannot be recorded. Make room and start again."
	case listening && op.Op == "listen":
		hint = "Something else may be using the port. Choose another with -address host:port, or -http-address for the one without TLS."
	case errors.Is(err, kms.ErrPassword):
		hint = "Say where the right password is with -password-file."
	}
	if hint == "" {
		return text
	}
	return text + "\n" + hint
}
