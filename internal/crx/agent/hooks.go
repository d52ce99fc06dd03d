package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/podstate"
	"pacific/internal/crx/agent/probe"
	"pacific/internal/crx/agent/spec"
)

func (i *instance) postStart() {
	message, err := i.hook(context.Background(), i.spec.GetPostStart())
	e := podstate.Event{Kind: podstate.HookDone, Container: i.spec.GetName()}
	if err != nil {
		e.Kind, e.Message = podstate.HookFailed, message
	}
	i.pod.tell(e)
}

func (i *instance) preStop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if _, err := i.hook(ctx, i.spec.GetPreStop()); err != nil {
		i.pod.status.note(podstate.Action{
			Warning: true, Reason: "FailedPreStopHook", Message: "PreStopHook failed", Container: i.spec.GetName(),
		})
	}
	i.pod.tell(podstate.Event{Kind: podstate.PreStopDone, Container: i.spec.GetName()})
}

// hook runs a lifecycle hook. The message is the kubelet's.
func (i *instance) hook(ctx context.Context, h *agentv1.Handler) (message string, err error) {
	of := fmt.Sprintf("for Container %q in Pod %q failed - error: ", i.spec.GetName(), spec.PodString(i.pod.spec))
	switch action := h.GetAction().(type) {
	case *agentv1.Handler_Exec_:
		code, output, err := i.run(ctx, action.Exec.GetCommand())
		if err == nil && code != 0 {
			err = fmt.Errorf("command '%s' exited with %d: %s", join(action.Exec.GetCommand()), code, output)
		}
		return fmt.Sprintf("Exec lifecycle hook (%v) %s%v, message: %q", action.Exec.GetCommand(), of, err, output), err
	case *agentv1.Handler_HttpGet_:
		err := i.httpHook(ctx, action.HttpGet)
		return fmt.Sprintf("HTTP lifecycle hook (%s) %s%v", action.HttpGet.GetPath(), of, err), err
	case *agentv1.Handler_SleepSeconds:
		select {
		case <-time.After(time.Duration(action.SleepSeconds) * time.Second):
		case <-ctx.Done(): // the grace period is shorter: that is no failure
		case <-i.ended:
			return "", nil
		}
		return "", nil
	}
	err = errors.New("invalid handler")
	return fmt.Sprintf("Cannot run handler: %v", err), err
}

// hookTimeout is the time an HTTP hook's server has to answer.
const hookTimeout = 30 * time.Second

// hookClient asks whoever answers, as the kubelet does: a hook's server seldom has a certificate that anyone signed.
var hookClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}

func (i *instance) httpHook(ctx context.Context, get *agentv1.Handler_HttpGet) error {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	req, err := probe.Request(ctx, i.target(), get, "kube-lifecycle/1.36")
	if err != nil {
		return err
	}
	resp, err := hookClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
