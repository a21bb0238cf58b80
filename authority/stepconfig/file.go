package stepconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// OwnFile is the name of the file beside ca.json that holds what ca.json cannot say.
const OwnFile = "chancery.json"

// File is what a ca.json says, checked as far as it can be without opening keys and certificates. It is
// immutable after Load; paths in it are absolute, or relative to the working directory as Load's was.
type File struct {
	Path string // of ca.json
	Base string // what step calls $STEPPATH: the folder that holds config, certs, secrets and templates

	Address    string   // host:port to listen on; the host may be empty
	Insecure   string   // insecureAddress: host:port of a listener without TLS, for what everybody may read; empty: none
	DNSNames   []string // what clients call the CA: the names and IP addresses of its own certificate
	CommonName string   // of its own certificate; default "Step Online CA"
	TLS        TLS
	DB         DB
	CRL        CRL
	OCSP       bool   // whether OCSP requests are answered
	Sinks      []Sink // in the order of the file

	Roots          []string // paths, PEM with one or more certificates each
	FederatedRoots []string
	Chain          string // path of the intermediate's certificate, and of what links it to the root
	Key            string // path of the intermediate's private key, or a URI for the key manager

	SSH *SSH // nil: no SSH certificates

	// Provisioners are those that are served, in the order of the file.
	Provisioners []Provisioner

	// Warnings are settings that were understood and have no effect, one sentence each.
	Warnings []string

	anyPort      bool
	password     string
	backdate     time.Duration // as authority.Validity has it: negative means none
	limits       limits        // of provisioners that say nothing
	policy       *names        // nil: none
	userPolicy   *names        // of SSH certificates, as the next
	hostPolicy   *names
	ssh          *sshSpec // nil: no SSH
	sshMinRSA    int
	provisioners []*spec
	offboard     bool
	inventory    *node     // path of the inventory's JSON file; nil: none
	idpURL       string    // crl.idpURL
	pointers     *pointers // nil: certificates carry none
	retiring     []issuing
	acme         *acmeRules // of all ACME provisioners; nil: nothing is said
	upkeep       upkeep
	top          *section // where settings stand, for faults found later
}

// Provisioner is what there is to tell about one.
type Provisioner struct {
	Type, Name string
	// EncryptedKeys are the private keys of a JWK provisioner, the current one first, as compact JWEs;
	// those that are kept elsewhere are left out.
	EncryptedKeys []string

	HTTPPort     int  // ACME: where http-01 begins, if not 80
	ExternalKeys bool // ACME: accounts need one
}

// Load reads the ca.json at path, and chancery.json beside it where there is one. The error holds
// every [Fault] of both.
func Load(path string) (*File, error) {
	b, err := read(path)
	if err != nil {
		return nil, err
	}
	ownPath := filepath.Join(filepath.Dir(path), OwnFile)
	own, err := read(ownPath)
	if errors.Is(err, fs.ErrNotExist) {
		own, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parse(path, b, ownPath, own)
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		return nil, &Fault{File: path, Reason: fmt.Sprintf("%d bytes are over the limit of %d", info.Size(), maxFile)}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &Fault{File: path, Reason: "cannot be read", Err: reason(err)}
	}
	return b, nil
}

// reason takes the path off an error of package os: the fault names it already.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func parse(path string, ca []byte, ownPath string, own []byte) (*File, error) {
	n, err := parseJSON(path, ca)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Base: base(path)}
	var all faults
	f.top = open(n, &all)
	f.read(f.top)
	if own != nil {
		if o, err := parseJSON(ownPath, own); err != nil {
			all.all = append(all.all, err)
		} else {
			f.readOwn(open(o, &all))
		}
	}
	f.listProvisioners()
	if err := all.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// base is $STEPPATH: the parent of the folder "config", as step lays it out, or the file's own folder.
func base(path string) string {
	dir := filepath.Dir(path)
	abs, err := filepath.Abs(dir)
	if err == nil && filepath.Base(abs) == "config" {
		return filepath.Dir(abs)
	}
	if err == nil {
		return abs
	}
	return dir
}

// resolve makes a path absolute against the base. A URI, which belongs to a key manager, stays.
func (f *File) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	if i := strings.IndexByte(path, ':'); i > 1 { // one letter is a Windows drive
		return path
	}
	return filepath.Join(f.Base, path)
}

func (f *File) warn(format string, args ...any) {
	f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...))
}

func (f *File) read(s *section) {
	f.readIssuer(s)
	f.readServer(s)
	f.DB = f.readDB(s.section("db"))
	f.TLS = readTLS(s.section("tls"))
	f.readSSH(s)
	f.readAuthority(s.section("authority"))
	f.readCRL(s.section("crl"))
	s.unsupported("metrics are not served by this version", "metricsAddress", "monitoring")
	s.close()
}

func (f *File) listProvisioners() {
	for _, p := range f.provisioners {
		q := Provisioner{Type: p.kind, Name: p.name}
		for _, k := range p.keys {
			if k.encrypted != "" {
				q.EncryptedKeys = append(q.EncryptedKeys, k.encrypted)
			}
		}
		if a := p.acme; a != nil {
			q.HTTPPort, q.ExternalKeys = p.own.acme.under(f.acme).httpPort, a.requireEAB
		}
		f.Provisioners = append(f.Provisioners, q)
	}
}

// readIssuer reads who signs.
func (f *File) readIssuer(s *section) {
	if n := s.take("root"); n == nil {
		s.faults.add(s.at("root"), "is missing")
	} else if v, ok := n.value.(string); ok && v != "" {
		f.Roots = []string{v}
	} else if f.Roots = s.strings("root"); len(f.Roots) == 0 {
		s.faults.add(n, "names no file")
	}
	f.FederatedRoots = s.strings("federatedRoots")
	for _, list := range [][]string{f.Roots, f.FederatedRoots} {
		for i := range list {
			list[i] = f.resolve(list[i])
		}
	}
	f.Chain = f.resolve(s.required("crt"))
	f.Key = f.resolve(s.required("key"))
	if f.password = s.str("password"); f.password != "" {
		f.warn("password: the key's password stands in %s; a password file can be protected better", f.Path)
	}
	k := s.section("kms")
	if t := strings.ToLower(k.str("type")); t != "" && t != "softkms" {
		s.faults.add(k.at("type"), "%q is not supported by this version, only softkms is", t)
	}
	k.unsupported("is not a setting of softkms", "uri", "credentialsFile", "region", "profile", "pin", "managementKey")
	k.close()
}

// readServer reads where and under which names to serve.
func (f *File) readServer(s *section) {
	f.Address = s.required("address")
	if _, port, err := net.SplitHostPort(f.Address); f.Address != "" && (err != nil || port == "") {
		s.faults.add(s.at("address"), "%q is not host:port", f.Address)
	}
	f.Insecure = s.str("insecureAddress")
	if _, port, err := net.SplitHostPort(f.Insecure); f.Insecure != "" && (err != nil || port == "") {
		s.faults.add(s.at("insecureAddress"), "%q is not host:port", f.Insecure)
	}
	f.DNSNames = s.strings("dnsNames")
	if n := s.take("dnsNames"); n == nil || n.blank() {
		s.faults.add(s.at("dnsNames"), "must list at least one name or IP address of the CA")
	}
	for i, name := range f.DNSNames {
		if !isHost(name) {
			s.faults.add(s.at("dnsNames"), "[%d]: %q is neither a DNS name nor an IP address", i, name)
		}
	}
	if f.CommonName = s.str("commonName"); f.CommonName == "" {
		f.CommonName = "Step Online CA"
	}
	l := s.section("logger")
	if format := l.str("format"); format != "" && format != "json" {
		f.warn("logger.format: %q has no effect, the log is written as JSON lines", format)
	}
	l.unsupported("is not supported by this version; the header is X-Request-Id", "traceHeader")
	l.close()
}

func isHost(s string) bool {
	n := provisioner.ParseNames([]string{s})
	if len(n.IPs) == 1 {
		_, err := netip.ParseAddr(s)
		return err == nil
	}
	return len(n.DNS) == 1 && !strings.ContainsAny(s, " /:\\*@") && s == strings.TrimSpace(s)
}
