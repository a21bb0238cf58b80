package event_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

func TestFailures(t *testing.T) {
	cause := errors.New("cause")
	require.NoError(t, event.Permanent(nil))
	require.NoError(t, event.Later(nil, time.Second))
	require.EqualError(t, event.Permanent(cause), "cause")
	require.ErrorIs(t, event.Permanent(cause), cause)
	require.ErrorIs(t, event.Permanent(cause), event.ErrPermanent)
	require.ErrorIs(t, event.Later(cause, time.Second), cause)
	require.NotErrorIs(t, event.Later(cause, time.Second), event.ErrPermanent)

	fail := func(err error) event.Sink {
		return event.SinkFunc(func(context.Context, event.Event) error { return err })
	}
	never, away := fail(event.Permanent(cause)), fail(&url.Error{Op: "Post", URL: "x", Err: cause})
	var e event.Event
	require.ErrorIs(t, event.Multi(never, never, new(eventtest.Recorder)).Publish(t.Context(), e), event.ErrPermanent)
	err := event.Multi(never, event.Multi(away, never)).Publish(t.Context(), e)
	require.NotErrorIs(t, err, event.ErrPermanent, "one of them may yet accept it")
	require.ErrorIs(t, err, cause)
	var u *url.Error
	require.ErrorAs(t, err, &u)
}

func TestReasonIsBoundedAndQuiet(t *testing.T) {
	for name, err := range map[string]error{
		"long":    errors.New(strings.Repeat("ä", 10_000)),
		"control": errors.New("a\x00b\r\nc\x1b[31m\xff\u202e"),
		"url":     fmt.Errorf("sink: %w", &url.Error{Op: "Post", URL: "https://hooks.internal/T0/hunter2?sig=hunter2", Err: errors.New("refused")}),
		"odd url": &url.Error{Op: "Post", URL: "https://u:hunter2@[::bad\"/hunter2", Err: errors.New("refused")},
		"joined":  errors.Join(errors.New("one"), errors.New("two")),
	} {
		synctest.Test(t, func(t *testing.T) {
			o, r := new(outbox), new(eventtest.Recorder)
			var log bytes.Buffer
			o.post("a1")
			stop := run(t, &event.Pump{Outbox: o, Sink: refusing(r, event.Permanent(err), "a1"), Logger: slog.New(slog.NewTextHandler(&log, nil))})
			synctest.Wait()
			stop()
			reason := o.Dead()[0].Reason
			require.NotEmpty(t, reason, name)
			require.LessOrEqual(t, len(reason), 500, name)
			require.NotRegexp(t, `[\x00-\x1f\x7f\x{202e}\x{fffd}]`, reason, name)
			require.NotContains(t, reason+log.String(), "hunter2", name)
			if name == "url" {
				require.Equal(t, `sink: Post "https://hooks.internal": refused`, reason)
			}
		})
	}
}
