package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

const (
	// askTimeout is for one question to one peer; its machine may be booting, or gone.
	askTimeout = 3 * time.Second
	// askInterval is how often peers that do not answer are asked again, explainInterval how often that is said.
	askInterval     = time.Second
	explainInterval = 15 * time.Second
)

// known is a member as another one knows it: the part of etcd's peer protocol (GET /members) that matters here.
type known struct {
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"` // empty until the member has started for the first time
}

// errNobodyAnswers is no verdict: the question is asked again.
var errNobodyAnswers = errors.New("no other member answers")

// admit decides whether a member without data may start, by what the others that answer know of it.
//
// A member that has voted and forgot it must never vote again, and a member that was removed must not begin a Supervisor
// of its own. So it starts only if nobody knows it as one that has started before.
func admit(self member.Member, state member.InitialState, answers [][]known) error {
	known := false
	for _, answer := range answers {
		i := find(self, answer)
		if i < 0 {
			continue // or it lags behind
		}
		known = true
		if len(answer[i].ClientURLs) > 0 {
			return fmt.Errorf("the data of %s at %s are gone, but the other members know it as one that has had some: remove it and add a new one in its place", self.Name, self.PeerURL())
		}
	}
	switch {
	case known:
		return nil
	case len(answers) > 0:
		return fmt.Errorf("the other members do not know %s at %s: it was removed, or never added; add it as a learner before it starts", self.Name, self.PeerURL())
	case state == member.Existing:
		return errNobodyAnswers
	}
	return nil
}

// removed tells whether somebody who answers does not have self as a member.
func removed(self member.Member, answers [][]known) bool {
	return slices.ContainsFunc(answers, func(answer []known) bool { return find(self, answer) < 0 })
}

func find(self member.Member, answer []known) int {
	return slices.IndexFunc(answer, func(k known) bool { return slices.Contains(k.PeerURLs, self.PeerURL()) })
}

// waitForAdmission asks the other members until there is a verdict.
func (p *Peers) waitForAdmission(ctx context.Context) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	var verdict error
	explained := time.Now()
	err = wait.PollUntilContextCancel(ctx, askInterval, true, func(ctx context.Context) (bool, error) {
		verdict = admit(p.Self, p.InitialState, p.ask(ctx, client))
		if errors.Is(verdict, errNobodyAnswers) && time.Since(explained) > explainInterval {
			explained = time.Now()
			klog.InfoS("No other member of etcd answers yet; this one comes to a Supervisor that exists, so it waits", "members", p.initialCluster())
		}
		return !errors.Is(verdict, errNobodyAnswers), nil
	})
	return errors.Join(verdict, err)
}

// client trusts the other members and shows this one's certificate.
func (p *Peers) client() (*http.Client, error) {
	config, err := hostpki.ClientConfig(p.Layout.Cert(pki.MemberCA), p.Layout.Cert(pki.EtcdPeer), p.Layout.Key(pki.EtcdPeer))
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: askTimeout}, nil
}

// ask asks all other members at once who the members are.
func (p *Peers) ask(ctx context.Context, client *http.Client) [][]known {
	var mu sync.Mutex
	var answers [][]known
	var group sync.WaitGroup
	for _, m := range p.Members {
		if m == p.Self {
			continue
		}
		group.Go(func() {
			answer, err := members(ctx, client, m.PeerURL())
			if err != nil {
				klog.V(1).InfoS("A member of etcd does not answer", "member", m.Name, "err", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, answer)
		})
	}
	group.Wait()
	return answers
}

func members(ctx context.Context, client *http.Client, peer string) ([]known, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, peer+"/members", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	var all []known
	return all, json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(&all)
}
