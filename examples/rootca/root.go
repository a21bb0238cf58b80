package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/internal/ceremony"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/softkms"
)

// The files of a root's folder.
const (
	certificateFile = "root_ca.crt"
	keyFile         = "root_ca_key"
	storeFile       = "chancery.sqlite"
	indexFile       = "index.jsonl"
	numberFile      = "crl-number"
)

const year = 365 * 24 * time.Hour

func initRoot(ctx context.Context, args []string, t *terminal) error {
	f := newFlags("init", t)
	name := f.String("name", "", "the `name`: \"<name> Root CA\"; required")
	years := f.Int("years", 20, "the root's life")
	pathLen := f.Int("path-len", 1, "how many CAs may stand between the root and a leaf")
	alg := f.String("key", string(kms.ECDSAP384), "the `kind` of key: EC-P256, EC-P384, EC-P521, Ed25519, RSA-3072, RSA-4096")
	if err := f.parse(args); err != nil {
		return err
	}
	if *name == "" {
		return errors.New("init wants -name")
	}
	for _, file := range []string{certificateFile, keyFile, storeFile} {
		if _, err := os.Lstat(filepath.Join(f.dir, file)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s holds %s already, but no root is made over another; if it is left from an init that did not finish, delete the folder", f.dir, file)
		}
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	r := &root{dir: f.dir, passwordFile: f.passwordFile, new: true, t: t}
	key, err := r.keys().CreateKey(ctx, filepath.Join(f.dir, keyFile), kms.Algorithm(*alg))
	if err != nil {
		return err
	}
	cert, err := authority.SelfSign(ctx, authority.Root{
		Subject: pkix.Name{Organization: []string{*name}, CommonName: *name + " Root CA"},
		Life:    time.Duration(*years) * year, MaxPathLen: *pathLen,
	}, key)
	if err != nil {
		return err
	}
	if err := writeNew(filepath.Join(f.dir, certificateFile), encode(cert)); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "Made %s, valid until %s, with room for %d CAs below it.\n\n", cert.Subject, day(cert.NotAfter), cert.MaxPathLen)
	fmt.Fprintf(t.out, "  Certificate  %s\n  Fingerprint  %s\n  Key          %s\n", filepath.Join(f.dir, certificateFile), stepconfig.Fingerprint(cert), filepath.Join(f.dir, keyFile))
	return nil
}

// root is a root in use. Close it.
type root struct {
	dir, passwordFile string
	new               bool // its password is being chosen
	t                 *terminal

	cert   *x509.Certificate
	signer kms.Signer
	store  *sqlite.Store
	ca     *authority.Authority
}

// open opens the folder for signing CA certificates of that path length, for at most that life.
func (f *flags) open(ctx context.Context, t *terminal, pathLen int, life time.Duration) (r *root, err error) {
	r = &root{dir: f.dir, passwordFile: f.passwordFile, t: t}
	b, err := os.ReadFile(filepath.Join(f.dir, certificateFile))
	if err != nil {
		return nil, fmt.Errorf("%s is no root's folder: %w", f.dir, err)
	}
	p, _ := pem.Decode(b)
	if p == nil {
		return nil, fmt.Errorf("%s is no certificate", filepath.Join(f.dir, certificateFile))
	}
	if r.cert, err = x509.ParseCertificate(p.Bytes); err != nil {
		return nil, err
	}
	if r.signer, err = r.keys().Signer(ctx, filepath.Join(f.dir, keyFile)); err != nil {
		return nil, err
	}
	if r.store, err = sqlite.Open(ctx, filepath.Join(f.dir, storeFile), nil); err != nil {
		return nil, err
	}
	r.ca, err = ceremony.New(ceremony.CA{
		Chain: []*x509.Certificate{r.cert}, Signer: r.signer, Store: r.store, MaxPathLen: pathLen, Life: life,
		Sinks: []event.Sink{event.SinkFunc(r.index)},
	})
	if err != nil {
		return nil, errors.Join(err, r.store.Close())
	}
	if _, err := r.ca.Reconcile(ctx, time.Now()); err != nil { // what a crash left behind
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *root) close() error { return errors.Join(r.ca.Close(), r.store.Close()) }

func (r *root) keys() *softkms.Manager {
	return softkms.New(softkms.Options{Password: func(context.Context, string) ([]byte, error) { return r.password() }})
}

func (r *root) password() ([]byte, error) {
	if r.passwordFile != "" {
		b, err := os.ReadFile(r.passwordFile)
		return bytes.TrimRightFunc(b, unicode.IsSpace), err
	}
	p, err := r.t.ask("Password of the root's key (it will be seen): ")
	if err != nil || !r.new {
		return []byte(p), err
	}
	again, err := r.t.ask("Again: ")
	if err == nil && again != p {
		err = errors.New("the two are not the same")
	}
	return []byte(p), err
}

// index writes what happened to a file that people can read without a database. The store has the truth.
func (r *root) index(_ context.Context, e event.Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.dir, indexFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func encode(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// writeNew makes a file and never replaces one.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
