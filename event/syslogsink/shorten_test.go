package syslogsink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/event/syslogsink"
)

func manyNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("n%d.%s.internal", i, strings.Repeat("a", 60)))
	}
	return names
}

// Whoever asks for enough names does not escape the log: who, when and what certificate arrive, with as many
// names as fit, and the number of the rest.
func TestManyNames(t *testing.T) {
	server := newServer(t)
	s := open(t, server.config())
	e := eventtest.Samples()[0]
	d := e.Data.(event.Certificate)
	d.Names = manyNames(131)
	e.Data = d
	require.NoError(t, s.Publish(t.Context(), e))
	got := server.eventually(1)[0]
	cut := got.Data.(event.Certificate)
	require.Greater(t, len(cut.Names), 90)
	require.Equal(t, d.Names[:len(cut.Names)], cut.Names)
	omitted := fmt.Sprintf("%d of 131 in data.names", 131-len(cut.Names))
	m := server.received()[0]
	require.Equal(t, omitted, (*m.StructuredData)["chancery@32473"]["omitted"])
	var said struct{ Omitted string }
	require.NoError(t, json.Unmarshal([]byte(*m.Message), &said))
	require.Equal(t, omitted, said.Omitted)
	cut.Names = d.Names
	got.Data = cut
	require.Equal(t, e, got, "nothing else is missing")
	require.Len(t, d.Names, 131, "the event is others' as well")

	d.Names = append(manyNames(20), "ends.here") // one that fits says nothing of the kind
	e.Data = d
	require.NoError(t, s.Publish(t.Context(), e))
	require.Equal(t, e, server.eventually(2)[1])
	require.NotContains(t, *server.received()[1].Message, "omitted")
}

// A few names of great length do not push the others out, and a long subject leaves the list alone.
func TestLongTexts(t *testing.T) {
	server := newServer(t)
	s := open(t, server.config())
	e := eventtest.Samples()[0]
	d := e.Data.(event.Certificate)
	d.Names = append([]string{strings.Repeat("ü", 9000)}, "second.internal", "third.internal")
	e.Data, e.Subject = d, strings.Repeat(`"`, 6000)
	require.NoError(t, s.Publish(t.Context(), e))
	got := server.eventually(1)[0].Data.(event.Certificate)
	require.Len(t, got.Names, 3)
	require.Equal(t, strings.Repeat("ü", 1024/6), got.Names[0])
	require.Equal(t, d.Names[1:], got.Names[1:])
	require.Contains(t, *server.received()[0].Message, `"omitted":"5488 bytes of subject, 17660 bytes of data.names"`)
}

// Whatever is in any text of any event, all of them at once: it arrives, in the smallest message that can be
// configured, with serial, digests and times.
func TestEveryEventFits(t *testing.T) {
	server := newServer(t)
	c := server.config()
	c.MaxMessage, c.Hostname = 2048, strings.Repeat("h", 63)
	s := open(t, c)
	want := 0
	whole := map[string]bool{"Serial": true, "Fingerprint": true, "Key": true, "Previous": true, "Number": true, "Base": true}
	for _, bad := range []string{"a", "<", `"`, `]`, "\x00", "\xff", "ü", "🔑"} {
		for _, e := range eventtest.Samples() {
			e.ID, e.Subject = strings.Repeat("0", 36), strings.Repeat(bad, 3000)
			d := reflect.New(reflect.TypeOf(e.Data)).Elem()
			d.Set(reflect.ValueOf(e.Data))
			for i := range d.NumField() {
				switch v := d.Field(i).Addr().Interface().(type) {
				case *string:
					if *v = strings.Repeat(bad, 3000); whole[d.Type().Field(i).Name] {
						*v = strings.Repeat("f", 64)
					}
				case *[]string:
					*v = slices.Repeat([]string{strings.Repeat(bad, 300)}, 200)
				}
			}
			e.Data = d.Interface().(event.Data)
			require.NoError(t, s.Publish(t.Context(), e), "%s %q", e.Type, bad)
			want++
			got := server.eventually(want)[want-1]
			require.Equal(t, e.ID, got.ID)
			require.True(t, e.Time.Equal(got.Time))
			have := reflect.ValueOf(got.Data)
			for i := range d.NumField() {
				switch v := have.Field(i).Interface().(type) {
				case string:
					if whole[d.Type().Field(i).Name] {
						require.Equal(t, d.Field(i).String(), v)
					} else {
						require.NotEmpty(t, v)
					}
				case time.Time:
					require.True(t, d.Field(i).Interface().(time.Time).Equal(v))
				}
			}
			m := server.received()[want-1]
			require.True(t, utf8.ValidString(*m.Message))
			require.NotEmpty(t, (*m.StructuredData)["chancery@32473"]["omitted"])
		}
	}
	server.locked(func() { require.Empty(t, server.faults) })
}

// What cannot be shortened is never acceptable.
func TestTooLarge(t *testing.T) {
	server := newServer(t)
	s := open(t, server.config())
	e := eventtest.Samples()[0]
	e.ID = strings.Repeat("a", 8192)
	err := s.Publish(t.Context(), e)
	require.ErrorIs(t, err, event.ErrPermanent)
	require.ErrorIs(t, err, syslogsink.ErrTooLarge)
	e.ID, e.Subject = "1", strings.Repeat("a", 6000)
	require.NoError(t, s.Publish(t.Context(), e))
	require.Equal(t, e, server.eventually(1)[0])
	e.Time = time.Unix(1<<40, 0)
	require.ErrorIs(t, s.Publish(t.Context(), e), event.ErrPermanent)
	e.Subject = strings.Repeat("a", 9000)
	require.ErrorIs(t, s.Publish(t.Context(), e), event.ErrPermanent)
	e.Time, e.Data = time.Unix(0, 0), nil
	require.NoError(t, s.Publish(t.Context(), e))
}

// An authority whose audit log must not miss a certificate issues one with a great many names: the log has it.
func TestMandatorySinkIsToldOfManyNames(t *testing.T) {
	server := newServer(t)
	s := open(t, server.config())
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Outbox = []authority.Delivery{{Name: "audit", HoldAfter: time.Minute, Sink: s}}
	})
	leaf := ca.Leaf(append([]string{"a.internal"}, manyNames(130)...)...).Leaf
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ca.Authority.Run(ctx) }()
	defer func() { cancel(); <-done }()
	require.Eventually(t, func() bool {
		for _, e := range server.events() {
			if d, ok := e.Data.(event.Certificate); ok && d.Serial == string(authority.SerialOf(leaf.SerialNumber)) {
				return true
			}
		}
		return false
	}, 10*time.Second, 10*time.Millisecond)
	dead, err := ca.Authority.DeadLetters(t.Context(), "audit", 0, 0)
	require.NoError(t, err)
	require.Empty(t, dead)
}
