package stepconfig

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/ceremony"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/softkms"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

// InitOptions is what Init needs to know. Zero fields have the value in their comment.
type InitOptions struct {
	Dir         string   // the folder to make, $STEPPATH in step's words; required
	Name        string   // of the whole: "<Name> Root CA", "<Name> Intermediate CA"; required
	DNSNames    []string // what clients will call the CA; required
	Address     string   // to listen on, host:port; default 127.0.0.1:9000
	Provisioner string   // the first one's name; default "admin"

	// ACME is the name of an ACME provisioner. Default: there is none.
	ACME string

	// SSH makes keys for a user and a host CA, and lets the first provisioner have SSH certificates. Default: no SSH.
	SSH bool

	// HTTP is the host:port of a plain HTTP listener. With it the CA publishes a CRL and answers OCSP requests,
	// and its certificates name both. Default: none of that.
	HTTP string

	Password            []byte // of both keys; required
	ProvisionerPassword []byte // of the provisioner's key; default Password

	// KeepPassword writes Password to secrets/password, for starts without anybody at the keyboard.
	KeepPassword bool
}

// Where things are in a folder, as step ca init lays them out.
const (
	configFile       = "config/ca.json"
	ownFile          = "config/" + OwnFile
	defaultsFile     = "config/defaults.json"
	rootFile         = "certs/root_ca.crt"
	intermediateFile = "certs/intermediate_ca.crt"
	rootKeyFile      = "secrets/root_ca_key"
	intermediateKey  = "secrets/intermediate_ca_key"
	passwordFile     = "secrets/password"
	sshHostKey       = "secrets/ssh_host_ca_key"
	sshUserKey       = "secrets/ssh_user_ca_key"
	sshHostPublic    = "certs/ssh_host_ca_key.pub"
	sshUserPublic    = "certs/ssh_user_ca_key.pub"
	workDir          = ".chancery-init"
)

// life is that of root and intermediate: ten years, as step counts them.
const life = 10 * 365 * 24 * time.Hour

// ErrUnfinished is returned for a folder that another Init is making, or was making when it was
// interrupted. Nothing was issued from such a folder, so it can be deleted.
var ErrUnfinished = errors.New("a CA folder that was not finished")

// Init makes the folder of a new CA, in the layout of step ca init, and loads it: root and intermediate
// with P-256 keys, and one JWK provisioner, or an ACME one beside it. It never writes over anything. The folder gets its ca.json
// last, whole, so either that is there and everything else with it, or the folder is not used.
func Init(ctx context.Context, o InitOptions) (*File, error) {
	dir, err := o.check()
	if err != nil {
		return nil, err
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	work := filepath.Join(dir, workDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("stepconfig: %w", err)
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, unfinished(dir)
		}
		return nil, fmt.Errorf("stepconfig: %w", err)
	}
	if err := o.fill(ctx, work, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(work))
	}
	// From here on a crash leaves work behind, which is how vacant knows.
	for _, d := range []string{"certs", "secrets", "templates", "db", "config"} {
		if err := os.Rename(filepath.Join(work, d), filepath.Join(dir, d)); err != nil {
			return nil, fmt.Errorf("stepconfig: %w", err)
		}
	}
	if err := os.Remove(work); err != nil {
		return nil, fmt.Errorf("stepconfig: %w", err)
	}
	return Load(filepath.Join(dir, filepath.FromSlash(configFile)))
}

func (o *InitOptions) check() (dir string, err error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:9000"
	}
	if o.Provisioner == "" {
		o.Provisioner = "admin"
	}
	if o.ProvisionerPassword == nil {
		o.ProvisionerPassword = o.Password
	}
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("stepconfig: "+format, args...)) }
	if o.Dir == "" {
		add("no folder")
	}
	if o.Name == "" {
		add("the CA has no name")
	}
	if len(o.DNSNames) == 0 {
		add("the CA has no DNS name or IP address")
	}
	for _, n := range o.DNSNames {
		if !isHost(n) {
			add("%q is neither a DNS name nor an IP address", n)
		}
	}
	if _, port, err := net.SplitHostPort(o.Address); err != nil || port == "" {
		add("address %q is not host:port", o.Address)
	}
	if _, port, err := net.SplitHostPort(o.HTTP); o.HTTP != "" && (err != nil || port == "") {
		add("HTTP address %q is not host:port", o.HTTP)
	}
	if strings.ContainsAny(o.ACME, "/?#%") || o.ACME == o.Provisioner {
		add("an ACME provisioner cannot be called %q", o.ACME)
	}
	if len(o.Password) == 0 || len(o.ProvisionerPassword) == 0 {
		add("the keys need a password")
	}
	dir, err = filepath.Abs(o.Dir)
	return dir, errors.Join(append(errs, err)...)
}

// vacant makes sure that dir holds nothing of what Init makes.
func vacant(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, workDir)); err == nil {
		return unfinished(dir)
	}
	for _, d := range []string{"config", "certs", "secrets", "templates", "db"} {
		if _, err := os.Lstat(filepath.Join(dir, d)); err == nil {
			return fmt.Errorf("stepconfig: %s holds %s already, but no CA is made over another", dir, d)
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("stepconfig: %w", err)
		}
	}
	return nil
}

func unfinished(dir string) error {
	return fmt.Errorf("stepconfig: %s: %w: if nobody is making it right now, delete it and start again; nothing was issued from it", dir, ErrUnfinished)
}

// fill writes everything below work, for a folder that will be called dir.
func (o *InitOptions) fill(ctx context.Context, work, dir string) error {
	for _, d := range []string{"config", "certs", "secrets", "templates", "db"} {
		if err := os.Mkdir(filepath.Join(work, d), 0o700); err != nil {
			return fmt.Errorf("stepconfig: %w", err)
		}
	}
	write := func(name string, data []byte) error {
		return create(filepath.Join(work, filepath.FromSlash(name)), data)
	}
	root, intermediate, err := o.certificates(ctx, work)
	if err != nil {
		return err
	}
	if o.SSH {
		if err := o.sshKeys(ctx, work, write); err != nil {
			return err
		}
	}
	pub, encrypted, err := jwk.Generate(o.ProvisionerPassword)
	if err != nil {
		return fmt.Errorf("stepconfig: %w", err)
	}
	config, err := indent(o.config(dir, pub, encrypted))
	if err != nil {
		return err
	}
	defaults, err := indent(o.defaults(dir, root))
	if err != nil {
		return err
	}
	if o.HTTP != "" {
		err = write(ownFile, []byte(ownText))
	}
	if err == nil && o.KeepPassword {
		err = write(passwordFile, append(append([]byte(nil), o.Password...), '\n'))
	}
	return errors.Join(err,
		write(rootFile, encodePEM(root)), write(intermediateFile, encodePEM(intermediate)),
		write(defaultsFile, defaults), write(configFile, config))
}

// sshKeys makes the keys of the SSH CAs, and files of their public halves as OpenSSH has them.
func (o *InitOptions) sshKeys(ctx context.Context, work string, write func(name string, data []byte) error) error {
	for private, public := range map[string]string{sshHostKey: sshHostPublic, sshUserKey: sshUserPublic} {
		k, err := o.keys().CreateKey(ctx, filepath.Join(work, filepath.FromSlash(private)), kms.ECDSAP256)
		if err != nil {
			return err
		}
		p, err := ssh.NewPublicKey(k.Public())
		if err != nil {
			return fmt.Errorf("stepconfig: %w", err)
		}
		if err := write(public, ssh.MarshalAuthorizedKey(p)); err != nil {
			return err
		}
	}
	return nil
}

func (o *InitOptions) keys() kms.KeyManager {
	return softkms.New(softkms.Options{Password: func(context.Context, string) ([]byte, error) { return o.Password, nil }})
}

func (o *InitOptions) certificates(ctx context.Context, work string) (root, intermediate *x509.Certificate, err error) {
	keys := o.keys()
	rootKey, err := keys.CreateKey(ctx, filepath.Join(work, filepath.FromSlash(rootKeyFile)), kms.ECDSAP256)
	if err != nil {
		return nil, nil, err
	}
	key, err := keys.CreateKey(ctx, filepath.Join(work, filepath.FromSlash(intermediateKey)), kms.ECDSAP256)
	if err != nil {
		return nil, nil, err
	}
	root, err = authority.SelfSign(ctx, authority.Root{Subject: o.subject("Root"), Life: life, MaxPathLen: 1}, rootKey)
	if err != nil {
		return nil, nil, err
	}
	ca, err := ceremony.New(ceremony.CA{Chain: []*x509.Certificate{root}, Signer: rootKey, Store: authority.NewMemory(), Life: life})
	if err != nil {
		return nil, nil, err
	}
	defer ca.Close()
	csr, err := ceremony.Request(ctx, o.subject("Intermediate"), key)
	if err != nil {
		return nil, nil, err
	}
	c, err := ceremony.Sign(ctx, ca, csr, authority.When{})
	if err != nil {
		return nil, nil, fmt.Errorf("stepconfig: signing the intermediate: %w", err)
	}
	return root, c.Leaf, nil
}

func (o *InitOptions) subject(which string) pkix.Name {
	return pkix.Name{Organization: []string{o.Name}, CommonName: o.Name + " " + which + " CA"}
}

// URL is where a CA that listens on address is reached under a name. The port 443 is left out.
func URL(name, address string) string {
	_, port, _ := net.SplitHostPort(address)
	host := net.JoinHostPort(name, port)
	if port == "443" || port == "" {
		host = host[:len(host)-len(port)-1]
	}
	return "https://" + host
}

// Fingerprint is what `step ca bootstrap --fingerprint` wants: SHA-256 of the certificate, in hex.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func encodePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func indent(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("stepconfig: %w", err)
	}
	return append(b, '\n'), nil
}

// create writes a new file that only its owner may read, and makes it durable.
func create(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("stepconfig: %w", err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
