package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
)

// reasons are RFC 5280's, section 5.3.1, by their codes.
var reasons = map[int]string{
	0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
	5: "cessationOfOperation", 6: "certificateHold", 9: "privilegeWithdrawn", 10: "aACompromise",
}

func reasonName(code int) string {
	if name, ok := reasons[code]; ok {
		return name
	}
	return strconv.Itoa(code)
}

func parseReason(s string) (int, error) {
	for code, name := range reasons {
		if strings.EqualFold(name, s) || strconv.Itoa(code) == s {
			return code, nil
		}
	}
	return 0, fmt.Errorf("%q is no reason: they are keyCompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold, privilegeWithdrawn and unspecified, or their numbers", s)
}

func revoke(ctx context.Context, c *command, args []string) error {
	var q choice
	q.flags(c.FlagSet, time.Now())
	code := 0
	c.Func("reason", "`why`, by RFC 5280: keyCompromise (1), superseded (4), cessationOfOperation (5), certificateHold (6) …", func(s string) (err error) {
		code, err = parseReason(s)
		return err
	})
	note := c.String("note", "", "why, in your own `words`, for the records")
	dry := c.Bool("dry-run", false, "only count what the flags choose")
	yes := c.Bool("yes", false, "revoke everything that the flags choose")
	args, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		if q.Serial, err = authority.ParseSerial(args[0]); err != nil {
			return err
		}
	}
	one := q.Serial != "" && q.Query == authority.Query{Serial: q.Serial}
	switch {
	case q.Query == authority.Query{}:
		return errors.New("say which: a serial, or flags that choose; see -help")
	case !one && *dry == *yes:
		return errors.New("that may be many: say -dry-run to count them, then -yes")
	}
	return c.withAuthority(ctx, *dry, func(ca *authority.Authority) error {
		if one && !*dry {
			return revokeOne(ctx, c.stdout, ca, &authority.RevokeRequest{Serial: q.Serial, ReasonCode: code, Reason: *note, By: operator(), Local: true})
		}
		return revokeAll(ctx, c.stdout, ca, &authority.RevokeAllRequest{Query: q.Query, ReasonCode: code, Reason: *note, By: operator(), DryRun: *dry})
	})
}

func revokeOne(ctx context.Context, w io.Writer, ca *authority.Authority, r *authority.RevokeRequest) error {
	if _, err := ca.Revoke(ctx, r); err != nil {
		return err
	}
	fmt.Fprintf(w, "0x%s is revoked: %s.\n", r.Serial, reasonName(r.ReasonCode))
	return nil
}

func revokeAll(ctx context.Context, w io.Writer, ca *authority.Authority, r *authority.RevokeAllRequest) error {
	n, err := ca.RevokeAll(ctx, r)
	if r.DryRun && err == nil {
		fmt.Fprintf(w, "%d would be revoked.\n", n.Matched)
		return nil
	}
	if !r.DryRun {
		fmt.Fprintf(w, "%d revoked, of %d that were chosen.\n", n.Revoked, n.Matched)
	}
	if err != nil {
		return fmt.Errorf("stopped early; the same command goes on from there: %w", err)
	}
	return nil
}

func release(ctx context.Context, c *command, args []string) error {
	note := c.String("note", "", "why, in your own `words`, for those who are told")
	args, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return errors.New("say one serial: decimal, or hex behind 0x")
	}
	serial, err := authority.ParseSerial(args[0])
	if err != nil {
		return err
	}
	return c.withAuthority(ctx, false, func(ca *authority.Authority) error {
		if err := ca.Release(ctx, &authority.ReleaseRequest{Serial: serial, Reason: *note, By: operator()}); err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "0x%s is good again.\n", serial)
		return nil
	})
}

// operator is who sits at the terminal, as far as the system knows.
func operator() string {
	u, err := user.Current()
	if err != nil {
		return "operator"
	}
	return "operator " + u.Username
}

// errServing is authority.ErrLocked to somebody who wanted to change records.
var errServing = errors.New("the server has the database, which is SQLite and for one process at a time: revoke over the server with step ca revoke, or stop it first")

// withAuthority makes an authority as the server does, so that events are addressed to the same sinks. They
// are delivered by the server, the running one or the next. To look only, it works beside that.
func (c *command) withAuthority(ctx context.Context, look bool, do func(*authority.Authority) error) (err error) {
	at, file, err := c.open()
	if err != nil {
		return err
	}
	store, err := at.openStore(ctx, file, look)
	if errors.Is(err, authority.ErrLocked) {
		return errServing
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	k, err := openSinks(file)
	if err != nil {
		return err
	}
	defer k.close()
	config, err := file.Config(ctx, stepconfig.Options{Password: at.password(), Store: store})
	if err != nil {
		return err
	}
	config.Outbox = k.deliveries
	ca, err := authority.New(*config)
	if err != nil {
		return err
	}
	defer ca.Close()
	return do(ca)
}
