package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/kms/softkms"
)

// folder is the CA on disk.
type folder struct {
	config       string // path of ca.json
	passwordFile string // path, or empty: nobody said
	db           string // instead of what ca.json says; empty: what it says
	made         bool   // by this start
	restored     sqlite.Restored
	log          *slog.Logger
}

// openFolder finds the CA's folder, or makes it.
func openFolder(ctx context.Context, f *flags, log *slog.Logger) (*folder, error) {
	c := findFolder(f.place, log)
	if _, err := os.Stat(c.config); f.config == "" && errors.Is(err, fs.ErrNotExist) {
		if err := c.make(ctx, f); err != nil {
			return nil, err
		}
	}
	if !c.made {
		for _, name := range []string{"dns", "name"} {
			if f.set[name] {
				log.Warn("flag has no effect, the CA exists", "flag", "-"+name, "config", c.config)
			}
		}
	}
	c.findPassword()
	return c, nil
}

// findFolder says where the CA is, whether it is there or not.
func findFolder(p place, log *slog.Logger) *folder {
	c := &folder{config: p.config, passwordFile: p.passwordFile, db: p.db, log: log}
	if c.config == "" {
		c.config = filepath.Join(p.dir, "config", "ca.json")
	}
	return c
}

// findPassword takes the file that first starts make, if nobody named another.
func (c *folder) findPassword() {
	if c.passwordFile == "" {
		p := filepath.Join(filepath.Dir(filepath.Dir(c.config)), "secrets", "password")
		if _, err := os.Stat(p); err == nil {
			c.passwordFile = p
		}
	}
	if c.passwordFile != "" {
		if exposed, err := softkms.Exposed(c.passwordFile); err == nil && exposed {
			c.log.Warn("the password file can be read or changed by others", "file", c.passwordFile, "advice", "chmod 600 "+c.passwordFile)
		}
	}
}

func (c *folder) make(ctx context.Context, f *flags) error {
	password := []byte(rand.Text())
	if c.passwordFile != "" {
		var err error
		if password, err = readPassword(c.passwordFile); err != nil {
			return err
		}
	}
	_, err := stepconfig.Init(ctx, stepconfig.InitOptions{
		Dir: f.dir, Name: f.name, DNSNames: f.names(), Address: f.address, HTTP: f.httpAddress,
		Password: password, KeepPassword: c.passwordFile == "", ACME: "acme", SSH: true,
	})
	c.made = err == nil
	return err
}

// load reads the configuration as it stands now.
func (c *folder) load() (*stepconfig.File, error) {
	f, err := stepconfig.Load(c.config)
	if err != nil {
		return nil, err
	}
	for _, w := range f.Warnings {
		if c.db != "" && strings.HasPrefix(w, "db: ") {
			continue // another store is used
		}
		c.log.Warn("configuration", "note", w)
	}
	return f, nil
}

// password is nil without a password file, so that ca.json may have it.
func (c *folder) password() func(context.Context, string) ([]byte, error) {
	if c.passwordFile == "" {
		return nil
	}
	return func(context.Context, string) ([]byte, error) { return readPassword(c.passwordFile) }
}

// readPassword takes off the newline that editors leave, as step does.
func readPassword(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if b = bytes.TrimRightFunc(b, unicode.IsSpace); len(b) == 0 {
		return nil, fmt.Errorf("the password file %s is empty", path)
	}
	return b, nil
}
