package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/onemachine"
	"pacific/internal/onemachine/layout"
	"pacific/internal/wire"
)

// Answer of one pod to requests to the Service.
type Answer struct {
	Pod, Host, Kernel string
	Times             int // how many of the requests it answered
}

// ask makes requests to the ClusterIP from the first host until every ready pod has answered.
func (d *Demo) ask(ctx context.Context, note func(string)) error {
	service, err := d.client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get Service %s: %w", name, err)
	}
	want, err := d.readyPods(ctx)
	if err != nil {
		return err
	}
	address := fmt.Sprintf("%s:%d", service.Spec.ClusterIP, service.Spec.Ports[0].Port)
	client := clientInside(d.layout.Namespace(layout.HostName(1)))
	answers := map[string]*Answer{}
	err = onemachine.Await(ctx, note, func(ctx context.Context) error {
		// Each pod answers a third of the requests, by chance.
		for range 10 {
			if err := count(ctx, client, address, answers); err != nil {
				return onemachine.Pending(fmt.Sprintf("an answer of Service %s on %s: %v", name, address, err))
			}
		}
		missing := slices.DeleteFunc(slices.Clone(want), func(pod string) bool { return answers[pod] != nil })
		if len(missing) > 0 {
			return onemachine.Pending(fmt.Sprintf("an answer of %s behind Service %s", strings.Join(missing, ", "), name))
		}
		return nil
	})
	for _, answer := range answers {
		d.Answers = append(d.Answers, *answer)
	}
	slices.SortFunc(d.Answers, func(a, b Answer) int { return cmp.Compare(a.Host+a.Pod, b.Host+b.Pod) })
	return err
}

func (d *Demo) readyPods(ctx context.Context) ([]string, error) {
	pods, err := d.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var names []string
	for _, pod := range pods.Items {
		if slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}) {
			names = append(names, pod.Name)
		}
	}
	return names, nil
}

// clientInside connects anew for each request, since a connection stays with one pod.
func clientInside(namespace string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return wire.Dial(ctx, namespace, address)
		},
	}}
}

func count(ctx context.Context, client *http.Client, address string, answers map[string]*Answer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var place struct{ Pod, Node, Kernel string }
	if err := json.NewDecoder(response.Body).Decode(&place); err != nil {
		return fmt.Errorf("answer %s: %w", response.Status, err)
	}
	if answers[place.Pod] == nil {
		answers[place.Pod] = &Answer{Pod: place.Pod, Host: place.Node, Kernel: place.Kernel}
	}
	answers[place.Pod].Times++
	return nil
}
