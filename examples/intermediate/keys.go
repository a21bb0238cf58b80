package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
)

const keysUsage = `usage: intermediate acme keys COMMAND [flags]

  add NAME             a key with which somebody may make an ACME account; its secret is shown once
  list                 a table of the keys, without their secrets
  revoke ID            let no more accounts be made with a key; those that were made stay

They are needed if the ACME provisioner in ca.json has requireEAB. The list can be had while the server runs. The
others need the database for themselves if it is SQLite. Each has -help.
`

// acmeKeys runs the subcommand of that name.
func acmeKeys(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, *keysCommand, []string) error{"add": addKey, "list": listKeys, "revoke": revokeKey}
	name := ""
	if len(args) > 1 && args[0] == "keys" {
		name = args[1]
	}
	do, ok := commands[name]
	if !ok {
		fmt.Fprint(stderr, keysUsage)
		if asked := strings.TrimLeft(strings.Join(args, " "), "-"); asked == "" || asked == "keys" || strings.HasSuffix(asked, "help") || strings.HasSuffix(asked, "-h") {
			return nil
		}
		return fmt.Errorf("there is no command %q", "acme "+strings.Join(args[:min(2, len(args))], " "))
	}
	c := &keysCommand{command: command{FlagSet: flag.NewFlagSet("acme keys "+name, flag.ContinueOnError), stdout: stdout, stderr: stderr}}
	c.SetOutput(stderr)
	c.place.flags(c.FlagSet)
	c.StringVar(&c.provisioner, "provisioner", "", "`name` of the ACME provisioner, if there are several")
	if err := do(ctx, c, args[2:]); !errors.Is(err, flag.ErrHelp) {
		return err
	}
	return nil
}

// keysCommand is a command about the keys of one provisioner.
type keysCommand struct {
	command
	provisioner string
}

// errKeysServing is authority.ErrLocked to somebody who wanted to change keys.
var errKeysServing = errors.New("the server has the database, which is SQLite and for one process at a time: stop it, change the keys, and start it again; with PostgreSQL it can go on")

// with opens the keys, to look at them only or to change them.
func (c *keysCommand) with(ctx context.Context, look bool, do func(acme.Store) error) (err error) {
	at, file, err := c.open()
	if err != nil {
		return err
	}
	if err := c.choose(file); err != nil {
		return err
	}
	store, err := at.openStore(ctx, file, look)
	if errors.Is(err, authority.ErrLocked) {
		return errKeysServing
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if file.DB.Type == "" && c.db == "" {
		return errors.New("there is no db in ca.json, so keys would be forgotten at once")
	}
	return do(store.ACME())
}

// choose makes sure that the keys are those of a provisioner that there is.
func (c *keysCommand) choose(file *stepconfig.File) error {
	var names []string
	for _, p := range file.Provisioners {
		if p.Type == "ACME" && (c.provisioner == "" || c.provisioner == p.Name) {
			names = append(names, p.Name)
		}
	}
	switch {
	case len(names) == 0 && c.provisioner != "":
		return fmt.Errorf("%s has no ACME provisioner %q", file.Path, c.provisioner)
	case len(names) == 0:
		return fmt.Errorf("%s has no ACME provisioner; make one with: step ca provisioner add acme --type ACME", file.Path)
	case len(names) > 1:
		return fmt.Errorf("say which with -provisioner: %s", strings.Join(names, ", "))
	}
	c.provisioner = names[0]
	return nil
}

func addKey(ctx context.Context, c *keysCommand, args []string) error {
	k := &acme.ExternalKey{ID: strings.ToLower(rand.Text()), CreatedAt: time.Now(), Key: make([]byte, 32)}
	c.BoolVar(&k.Reusable, "reusable", false, "for any number of accounts; otherwise for one")
	c.Func("expires", "until when accounts can be made with it: "+times, func(s string) (err error) {
		k.Expires, err = moment(s, k.CreatedAt, 1)
		return err
	})
	asJSON := c.Bool("json", false, "print JSON")
	args, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return errors.New("say whose it is: a name, for people, templates and the inventory")
	}
	if !k.Expires.IsZero() && !k.Expires.After(k.CreatedAt) {
		return errors.New("-expires is not in the future")
	}
	k.Name = args[0]
	rand.Read(k.Key) // never fails since Go 1.24
	err = c.with(ctx, false, func(s acme.Store) error {
		k.Provisioner = c.provisioner
		return s.PutExternalKey(ctx, k)
	})
	if err != nil {
		return err
	}
	secret := base64.RawURLEncoding.EncodeToString(k.Key)
	if *asJSON {
		return json.NewEncoder(c.stdout).Encode(struct {
			keyJSON
			Secret string `json:"hmacKey"`
		}{jsonOf(k, k.CreatedAt), secret})
	}
	t := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "ID\t%s\nKey\t%s\nFor\t%s\n", k.ID, secret, plain(k.Name))
	if !k.Expires.IsZero() {
		fmt.Fprintf(t, "Until\t%s\n", when(k.Expires, k.CreatedAt))
	}
	fmt.Fprintf(t, "\nThe key is not shown again. With certbot: --eab-kid %s --eab-hmac-key %s\n", k.ID, secret)
	return t.Flush()
}

// keyJSON is a key for other programs, without its secret.
type keyJSON struct {
	ID          string    `json:"id"`
	Provisioner string    `json:"provisioner"`
	Name        string    `json:"name"`
	Status      string    `json:"status"`
	Reusable    bool      `json:"reusable"`
	CreatedAt   time.Time `json:"createdAt"`
	Expires     time.Time `json:"expires,omitzero"`
	RevokedAt   time.Time `json:"revokedAt,omitzero"`
	UsedAt      time.Time `json:"usedAt,omitzero"`
	Account     string    `json:"account,omitempty"`
}

func jsonOf(k *acme.ExternalKey, now time.Time) keyJSON {
	return keyJSON{k.ID, k.Provisioner, k.Name, keyStatus(k, now), k.Reusable, k.CreatedAt, k.Expires, k.RevokedAt, k.UsedAt, k.Account}
}

// keyStatus says in a word whether accounts can be made with a key.
func keyStatus(k *acme.ExternalKey, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	case !k.Usable(now):
		return "used"
	}
	return "good"
}

func listKeys(ctx context.Context, c *keysCommand, args []string) error {
	format := c.String("format", "table", "`table`, or jsonl: a JSON object for each, a line each")
	if _, err := c.parse(args, 0); err != nil {
		return err
	}
	if *format != "table" && *format != "jsonl" {
		return fmt.Errorf("-format is table or jsonl, not %q", *format)
	}
	now := time.Now()
	t := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	row := func(k *acme.ExternalKey) error { return json.NewEncoder(c.stdout).Encode(jsonOf(k, now)) }
	if *format == "table" {
		fmt.Fprintln(t, "ID\tFOR\tCREATED\tEXPIRES\tSTATUS\tACCOUNT")
		row = func(k *acme.ExternalKey) error {
			until := "-"
			if !k.Expires.IsZero() {
				until = when(k.Expires, now)
			}
			_, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", plain(k.ID), plain(k.Name), when(k.CreatedAt, now), until, keyStatus(k, now), orDash(k.Account))
			return err
		}
	}
	err := c.with(ctx, true, func(s acme.Store) error {
		after := ""
		for {
			keys, err := s.ExternalKeys(ctx, c.provisioner, after, 500)
			if err != nil || len(keys) == 0 {
				return err
			}
			for _, k := range keys {
				if err := row(k); err != nil {
					return err
				}
			}
			after = keys[len(keys)-1].ID
		}
	})
	return errors.Join(err, t.Flush())
}

func revokeKey(ctx context.Context, c *keysCommand, args []string) error {
	args, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return errors.New("say one ID, as the list has it")
	}
	return c.with(ctx, false, func(s acme.Store) error {
		for {
			k, err := s.ExternalKey(ctx, c.provisioner, args[0])
			switch {
			case errors.Is(err, acme.ErrNotFound):
				return fmt.Errorf("provisioner %q has no key %q", c.provisioner, args[0])
			case err != nil:
				return err
			case !k.RevokedAt.IsZero():
				return fmt.Errorf("%s is revoked already", k.ID)
			}
			k.RevokedAt = time.Now()
			if err := s.PutExternalKey(ctx, k); errors.Is(err, acme.ErrConflict) {
				continue // an account was made with it meanwhile
			} else if err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "%s is revoked: no account can be made with it any more.\n", k.ID)
			return nil
		}
	})
}
