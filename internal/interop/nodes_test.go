package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/internal/pgtest"
)

// front stands before several nodes, under one URL: each connection goes to the next node that takes it.
func front(t *testing.T, nodes ...*server) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	var turn atomic.Int64
	pass := func(in net.Conn) {
		defer in.Close()
		first := int(turn.Add(1))
		for i := range nodes {
			out, err := net.DialTimeout("tcp", nodes[(first+i)%len(nodes)].at("127.0.0.1"), 5*time.Second)
			if err != nil {
				continue
			}
			go func() {
				defer out.Close()
				io.Copy(out, in)
			}()
			io.Copy(in, out)
			out.Close()
			return
		}
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go pass(in)
		}
	}()
	return &server{dir: nodes[0].dir, url: "https://localhost:" + port, port: port, shared: true}
}

// twoNodes serve one folder from one database. Neither runs yet.
func twoNodes(t *testing.T) (one, two *server) {
	t.Helper()
	one = makeFolder(t, options{flags: []string{"-db", pgtest.Start(t).Database(t)}})
	one.own(t, `{"anyPort": true, "revocation": {"ocsp": true, "pointers": {}}}`)
	two = &server{dir: one.dir, port: freePort(t), passwordFile: one.passwordFile}
	two.url = "https://localhost:" + two.port
	two.flags = append(one.flags[:len(one.flags):len(one.flags)], "-http-address", "127.0.0.1:"+freePort(t))
	return one, two
}

// bid is one token, sent to both nodes at once, and what each of them answered; 0 is no answer.
type bid struct {
	name   string
	body   []byte
	status [2]int
	late   bool // it may have met the end of a node
}

func (b *bid) send(nodes [2]*server) {
	var both sync.WaitGroup
	for i, s := range nodes {
		both.Go(func() {
			res, err := s.http().Post(s.url+"/1.0/sign", "application/json", bytes.NewReader(b.body))
			if err != nil {
				return
			}
			defer res.Body.Close()
			if _, err := io.Copy(io.Discard, res.Body); err == nil {
				b.status[i] = res.StatusCode
			}
		})
	}
	both.Wait()
}

func bids(t *testing.T, s *server, n int) []*bid {
	t.Helper()
	c := certctl{s, s.provisionerKey(t, "admin")}
	all := make([]*bid, n)
	for i := range all {
		b := &bid{name: fmt.Sprintf("n%d.internal", i)}
		request, _ := csr(t, b.name)
		var err error
		b.body, err = json.Marshal(map[string]any{"csr": request, "ott": c.token(t, "/1.0/sign", b.name)})
		require.NoError(t, err)
		all[i] = b
	}
	return all
}

// H35: two nodes share a database, and one is killed without a word while clients are served. They go on with
// the other one, and no token is ever spent twice.
func TestNodeIsKilled(t *testing.T) {
	t.Parallel()
	ours(t, "not with its database")
	one, two := twoNodes(t)
	one.start(t)
	two.start(t)
	u := user(t, front(t, one, two))
	u.certificate("before", "before.internal")
	u.renew("before")
	spent := u.token("once.internal")
	u.certificate("once", "once.internal", "--token", spent)

	const all, killed, after = 60, 20, 30 // bids; the node is dead before the last ones are made
	list := bids(t, one, all)
	next, dying, gone := atomic.Int64{}, atomic.Bool{}, make(chan struct{})
	var bidders sync.WaitGroup
	for range 3 {
		bidders.Go(func() {
			for i := int(next.Add(1)) - 1; i < all; i = int(next.Add(1)) - 1 {
				switch {
				case i == killed:
					dying.Store(true)
					go func() {
						defer close(gone)
						one.kill()
					}()
				case i >= after:
					<-gone
				}
				list[i].send([2]*server{one, two})
				list[i].late = dying.Load()
			}
		})
	}
	bidders.Wait()

	issued := map[string]int{}
	for i, b := range list {
		granted := 0
		for node, status := range b.status {
			switch {
			case status == http.StatusCreated:
				granted++
			case status == 0 && node == 0 && b.late:
			default:
				require.Equal(t, http.StatusUnauthorized, status, "%s at node %d", b.name, node)
			}
		}
		switch {
		case i >= after:
			require.Equal(t, [2]int{0, http.StatusCreated}, b.status, "%s, after one was killed", b.name)
		case b.status[0] != 0:
			require.Equal(t, 1, granted, "%s: %v", b.name, b.status)
		default:
			require.LessOrEqual(t, granted, 1, "%s: %v", b.name, b.status)
		}
		issued[b.name] = granted
	}

	// The step CLI's users notice nothing.
	u.denied("again", "once.internal", "--token", spent)
	u.renew("before")
	u.certificate("after", "after.internal")
	u.step("ca", "revoke", "--cert", "before.crt", "--key", "before.key")
	u.renewalRefused("before")

	// What the records say: one for each token at most, and the certificates that clients have.
	records := map[string][]string{}
	for line := range strings.Lines(two.certificates(u, "export", "-bare")) {
		var r struct {
			Status string
			Names  []string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		for _, n := range r.Names {
			records[n] = append(records[n], r.Status)
		}
	}
	for _, b := range list {
		require.LessOrEqual(t, len(records[b.name]), 1, "%s: %v", b.name, records[b.name])
		if issued[b.name] == 1 {
			require.Equal(t, []string{"issued"}, records[b.name], b.name)
		}
	}

	one.start(t) // it comes back, and knows
	request := list[all-1]
	request.send([2]*server{one, two})
	require.Equal(t, [2]int{http.StatusUnauthorized, http.StatusUnauthorized}, request.status)
	u.certificate("back", "back.internal")
}
