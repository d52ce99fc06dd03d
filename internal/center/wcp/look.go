package wcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	supervisorv1 "pacific/api/supervisor/v1"
)

func equalRecords(a, b Supervisor) bool { return reflect.DeepEqual(a, b) }

// look gathers the facts about a Supervisor. What does not answer is a fact too.
func (s *Service) look(ctx context.Context, cluster string, supervisor Supervisor, secrets Secrets) (Facts, membership, Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	hosts, err := s.config.Fleet.Hosts(ctx, cluster)
	if err != nil {
		return Facts{}, membership{}, Stats{}, err
	}
	stats, err := s.config.Fleet.Stats(ctx, cluster)
	if err != nil {
		return Facts{}, membership{}, Stats{}, err
	}
	facts := Facts{Hosts: hosts, Members: map[string]Observed{}}
	if facts.Namespaces, err = s.namespaces(ctx, cluster, supervisor); err != nil {
		return facts, membership{}, stats, err
	}
	etcd := s.lookAtMembers(ctx, cluster, supervisor, secrets, &facts)
	if len(supervisor.Members) > 0 {
		facts.API = s.askAPI(ctx, supervisor, secrets)
	}
	facts.Nodes, err = s.nodes(ctx, cluster, supervisor, facts.API)
	return facts, etcd, stats, err
}

// namespaces that are still there of a Supervisor that goes; they are told to go too.
func (s *Service) namespaces(ctx context.Context, cluster string, supervisor Supervisor) ([]string, error) {
	if !supervisor.Removing || s.config.RemoveNamespaces == nil {
		return nil, nil
	}
	return s.config.RemoveNamespaces(ctx, cluster)
}

// lookAtMembers asks all of them at once how they are, and the first that can for etcd's members.
func (s *Service) lookAtMembers(ctx context.Context, cluster string, supervisor Supervisor, secrets Secrets, facts *Facts) membership {
	var mu sync.Mutex
	var all sync.WaitGroup
	etcd := membership{peers: map[string]etcdPeer{}}
	for _, m := range supervisor.Members {
		all.Go(func() {
			seen, known := s.observe(ctx, cluster, m, secrets)
			list, conn := s.askEtcd(ctx, m, secrets)
			mu.Lock()
			defer mu.Unlock()
			if known {
				facts.Members[m.Name] = seen
			}
			if list != nil && etcd.conn == nil {
				etcd.conn = conn
				etcd.take(list, supervisor)
			}
		})
	}
	all.Wait()
	facts.Etcd = etcd.facts()
	return etcd
}

// observe tells how a member is; not known is a member whose host does not answer.
func (s *Service) observe(ctx context.Context, cluster string, m Member, secrets Secrets) (seen Observed, known bool) {
	deployed, message, err := s.deployer(m).Deployed(ctx, cluster, m)
	if err != nil {
		return Observed{}, false
	}
	seen = Observed{Deployed: deployed, Why: message}
	if !deployed {
		return seen, true
	}
	conn, err := s.clients.member(m.Address, secrets)
	if err != nil {
		seen.Why = err.Error()
		return seen, true
	}
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	health, err := supervisorv1.NewMemberClient(conn).GetHealth(ctx, &supervisorv1.GetHealthRequest{})
	if err != nil {
		seen.Why = strings.TrimPrefix(message+"; it does not answer: "+status.Convert(err).Message(), "; ")
		return seen, true
	}
	seen.Ready = health.GetReady()
	for _, c := range health.GetComponents() {
		if c.GetState() != supervisorv1.Component_READY && c.GetState() != supervisorv1.Component_STANDBY {
			seen.Why = strings.TrimSuffix(fmt.Sprintf("%s is %s: %s", c.GetName(), strings.ToLower(c.GetState().String()), readable(c.GetMessage())), ": ")
			break
		}
	}
	return seen, true
}

// memberTimeout is for one call to a member; one whose machine is gone does not even refuse.
const memberTimeout = 3 * time.Second

func (s *Service) askEtcd(ctx context.Context, m Member, secrets Secrets) ([]*supervisorv1.EtcdMember, grpc.ClientConnInterface) {
	conn, err := s.clients.member(m.Address, secrets)
	if err != nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	response, err := supervisorv1.NewMemberClient(conn).ListEtcdMembers(ctx, &supervisorv1.ListEtcdMembersRequest{})
	if err != nil {
		return nil, nil
	}
	return response.GetMembers(), conn
}

// askAPI says why the Kubernetes API does not answer at the floating address.
func (s *Service) askAPI(ctx context.Context, supervisor Supervisor, secrets Secrets) string {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(secrets.CA()))
	client := http.Client{Timeout: memberTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, supervisor.Server()+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	response, err := client.Do(request)
	if err != nil {
		return strings.TrimPrefix(err.Error(), fmt.Sprintf("Get %q: ", supervisor.Server()+"/readyz"))
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if response.StatusCode != http.StatusOK {
		return notOK(string(body), response.Status)
	}
	return ""
}

// notOK picks the checks of /readyz that failed.
func notOK(body, code string) string {
	var failed []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "[-]") {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "[-]"), " ")
			failed = append(failed, name)
		}
	}
	if len(failed) == 0 {
		return code
	}
	return "not ready yet: " + strings.Join(failed, ", ")
}

// failedCheck is one in the long answer of a kube-apiserver that is not ready.
var failedCheck = regexp.MustCompile(`\[-\]([^ ]+)`)

// readable shortens what a component says that quotes such an answer.
func readable(message string) string {
	if !strings.Contains(message, "[+]") {
		return message
	}
	before, _, _ := strings.Cut(message, ":")
	var failed []string
	for _, match := range failedCheck.FindAllStringSubmatch(message, -1) {
		failed = append(failed, match[1])
	}
	return before + " waits for " + or(strings.Join(failed, ", "), "its last checks")
}

// nodes says how the nodes of the hosts are that have the spherelet bundle.
func (s *Service) nodes(ctx context.Context, cluster string, supervisor Supervisor, api string) (map[string]string, error) {
	installed, err := s.config.Fleet.Nodes(ctx, cluster)
	if err != nil || len(installed) == 0 {
		return nil, err
	}
	nodes := map[string]string{}
	for _, host := range installed {
		nodes[host] = "it is not registered yet"
	}
	if api != "" {
		for host := range nodes {
			nodes[host] = "the Kubernetes API does not answer"
		}
		return nodes, nil
	}
	client, err := s.clients.kubernetes(ctx, s, cluster)
	if err != nil {
		return nodes, err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nodes, fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range list.Items {
		if _, ours := nodes[node.Name]; ours {
			nodes[node.Name] = NotReady(node)
		}
	}
	return nodes, nil
}

// NotReady says why a node is not Ready; empty for one that is.
func NotReady(node corev1.Node) string {
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status == corev1.ConditionTrue {
			return ""
		}
		return condition.Reason + ": " + condition.Message
	}
	return "it has no Ready condition yet"
}
