//go:build e2e

package namespaces

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	namespaceapi "pacific/api/namespace"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
)

// story is a center and a Supervisor.
type story struct {
	*testing.T
	*api
	ctx        context.Context
	world      *world
	store      *store.Store
	supervisor *supervisorProcess
	admin      *kubernetes.Clientset
	stop       func()
	cancel     func()
}

// TestNamespacesInASupervisor is one story, since a start takes seconds: its steps build on each other.
func TestNamespacesInASupervisor(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s := &story{T: t, ctx: ctx, world: newWorld(), store: storetest.New(t), supervisor: startSupervisor(t)}
	s.admin = s.supervisor.as("")
	s.world.configs["domain-c1"] = s.supervisor.config
	s.startCenter()
	defer func() { s.stop() }()
	for _, step := range []struct {
		name string
		run  func(*story)
	}{
		{"projects a namespace", (*story).projects},
		{"is fast", (*story).fast},
		{"gives people what their roles say", (*story).roles},
		{"puts back what is changed", (*story).putsBack},
		{"follows changes", (*story).changes},
		{"keeps out of other namespaces", (*story).foreign},
		{"says what a removal waits for", (*story).removes},
		{"lets users make and delete namespaces", (*story).selfServed},
		{"goes on after a death at any point", (*story).deaths},
		{"waits for a Supervisor that is away", (*story).away},
		{"forgets what went with a Supervisor", (*story).gone},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			at := *s
			at.T, at.api.t, at.supervisor.t = t, t, t
			step.run(&at)
			s.stop = at.stop
			s.api = at.api
		}) {
			t.FailNow()
		}
	}
	s.supervisor.t = t
}

// startCenter starts the part anew on the same store.
func (s *story) startCenter() {
	service, a := newService(s.T, s.store, s.world)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	s.api, s.cancel = a, cancel
	go func() { defer close(done); _ = service.Run(ctx) }()
	s.stop = func() { cancel(); <-done }
}

func (s *story) eventually(what string, condition func() bool) {
	s.T.Helper()
	err := wait.PollUntilContextTimeout(s.ctx, 20*time.Millisecond, 2*time.Minute, true, func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		_, answer := s.do("GET", instances, "")
		s.T.Fatalf("not within 2 minutes: %s; namespaces: %s", what, answer)
	}
}

func (s *story) create(name, more string) {
	s.T.Helper()
	s.want(204, "", "POST", instances, fmt.Sprintf(`{"cluster":"domain-c1","namespace":%q%s}`, name, more))
}

func (s *story) shows(name string) (status string, messages string) {
	code, answer := s.do("GET", instances+"/"+name, "")
	var i info
	if code != 200 || json.Unmarshal([]byte(answer), &i) != nil {
		return "", answer
	}
	for _, m := range i.Messages {
		messages += m.Details.Text + "\n"
	}
	return string(i.ConfigStatus), messages
}

func (s *story) running(name string) {
	s.T.Helper()
	s.eventually(name+" runs", func() bool { status, _ := s.shows(name); return status == "RUNNING" })
}

func (s *story) isGone(name string) {
	s.T.Helper()
	s.eventually(name+" is gone", func() bool {
		code, _ := s.do("GET", instances+"/"+name, "")
		_, err := s.admin.CoreV1().Namespaces().Get(s.ctx, name, metav1.GetOptions{})
		return code == 404 && apierrors.IsNotFound(err)
	})
}

func (s *story) projects() {
	s.create("demo", `,"resource_spec":{"cpu_limit":8000,"memory_limit":8192,"pod_count":20,"memory_limit_default":128},
"storage_specs":[{"policy":"policy-1","limit":20480}],
"access_list":[{"subject_type":"USER","subject":"dev1","domain":"corp.local","role":"EDIT"},
{"subject_type":"USER","subject":"view1","domain":"corp.local","role":"VIEW"},
{"subject_type":"GROUP","subject":"leads","domain":"corp.local","role":"OWNER"}]`)
	s.running("demo")
	ns, err := s.admin.CoreV1().Namespaces().Get(s.ctx, "demo", metav1.GetOptions{})
	if err != nil {
		s.T.Fatal(err)
	}
	for key, want := range map[string]string{
		namespaceapi.AnnotationResourcePool: "resgroup-100", namespaceapi.AnnotationCPULimit: "4.0000", namespaceapi.AnnotationMemoryLimit: "8192Mi",
		namespaceapi.AnnotationOwnerCount: "1",
	} {
		if ns.Annotations[key] != want {
			s.T.Errorf("%s: got %q, want %q", key, ns.Annotations[key], want)
		}
	}
	if ns.Labels[namespaceapi.LabelCluster] != "domain-c1" {
		s.T.Errorf("got %v", ns.Labels)
	}
	s.hard("demo", "pods", "20")
	s.hard("demo-storagequota", "class-1.storageclass.storage.k8s.io/requests.storage", "20Gi")
	if _, err := s.admin.CoreV1().LimitRanges("demo").Get(s.ctx, "demo", metav1.GetOptions{}); err != nil {
		s.T.Error(err)
	}
	s.eventually("StorageClass", func() bool {
		_, err := s.admin.StorageV1().StorageClasses().Get(s.ctx, "class-1", metav1.GetOptions{})
		return err == nil
	})
}

func (s *story) hard(quota, resource, want string) {
	s.T.Helper()
	s.eventually(quota+" "+resource+" "+want, func() bool {
		q, err := s.admin.CoreV1().ResourceQuotas("demo").Get(s.ctx, quota, metav1.GetOptions{})
		if err != nil {
			return false
		}
		have, ok := q.Spec.Hard[corev1.ResourceName(resource)]
		return ok && have.String() == want || !ok && want == ""
	})
}

// fast: the time is printed; the bound is that of a machine that does much else.
func (s *story) fast() {
	var took []time.Duration
	for i := range 7 {
		begin := time.Now()
		name := fmt.Sprintf("fast-%d", i)
		s.create(name, `,"resource_spec":{"pod_count":1}`)
		s.running(name)
		took = append(took, time.Since(begin))
		s.want(204, "", "DELETE", instances+"/"+name, "")
	}
	slices.Sort(took)
	s.T.Logf("create to RUNNING: p50 %v, worst %v", took[3], took[6])
}

func (s *story) can(client kubernetes.Interface, verb, group, resource, namespace, name string) bool {
	s.T.Helper()
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Verb: verb, Group: group, Resource: resource, Namespace: namespace, Name: name,
	}}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(s.ctx, review, metav1.CreateOptions{})
	if err != nil {
		s.T.Fatal(err)
	}
	return answer.Status.Allowed
}

func (s *story) roles() {
	for _, who := range []struct {
		user   string
		groups []string
		// get pods, create pods, bind people, delete the namespace
		want [4]bool
	}{
		{"sso:dev1@corp.local", nil, [4]bool{true, true, false, false}},
		{"sso:view1@corp.local", nil, [4]bool{true, false, false, false}},
		{"sso:boss@corp.local", []string{"sso:leads@corp.local"}, [4]bool{true, true, true, true}},
		{"sso:root@pacific.local", []string{"sso:Administrators@pacific.local"}, [4]bool{true, true, false, false}},
		{"sso:dev2@corp.local", nil, [4]bool{}},
	} {
		client := s.supervisor.as(who.user, who.groups...)
		got := [4]bool{
			s.can(client, "get", "", "pods", "demo", ""), s.can(client, "create", "", "pods", "demo", ""),
			s.can(client, "create", "rbac.authorization.k8s.io", "rolebindings", "demo", ""), s.can(client, "delete", "", "namespaces", "demo", "demo"),
		}
		if got != who.want {
			s.T.Errorf("%s: got %v, want %v", who.user, got, who.want)
		}
		if s.can(client, "get", "", "pods", "kube-system", "") {
			s.T.Errorf("%s reads kube-system", who.user)
		}
	}
	s.want(204, "", "DELETE", instances+"/demo/access/corp.local/view1?type=USER", "")
	view := s.supervisor.as("sso:view1@corp.local")
	s.eventually("access that was taken ends", func() bool { return !s.can(view, "get", "", "pods", "demo", "") })
}

func (s *story) putsBack() {
	quotas, core := s.admin.CoreV1().ResourceQuotas("demo"), s.admin.CoreV1()
	if err := quotas.Delete(s.ctx, "demo", metav1.DeleteOptions{}); err != nil {
		s.T.Fatal(err)
	}
	s.hard("demo", "pods", "20")
	if _, err := quotas.Patch(s.ctx, "demo", types.MergePatchType, []byte(`{"spec":{"hard":{"pods":"99","secrets":"1"}}}`), metav1.PatchOptions{}); err != nil {
		s.T.Fatal(err)
	}
	s.hard("demo", "pods", "20")
	s.hard("demo", "secrets", "")

	bindings := s.admin.RbacV1().RoleBindings("demo")
	own := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "own"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "robot"}}}
	boss := s.supervisor.as("sso:boss@corp.local", "sso:leads@corp.local")
	if _, err := boss.RbacV1().RoleBindings("demo").Create(s.ctx, own, metav1.CreateOptions{}); err != nil {
		s.T.Fatal(err)
	}
	const edit = "wcp:demo:user:corp.local:dev1:edit"
	if err := boss.RbacV1().RoleBindings("demo").Delete(s.ctx, edit, metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		s.T.Errorf("an owner deletes a binding of center's: %v", err)
	}
	if err := bindings.Delete(s.ctx, edit, metav1.DeleteOptions{}); err != nil {
		s.T.Fatal(err)
	}
	dev := s.supervisor.as("sso:dev1@corp.local")
	s.eventually("the binding is back", func() bool { return s.can(dev, "create", "", "pods", "demo", "") })
	if _, err := bindings.Get(s.ctx, "own", metav1.GetOptions{}); err != nil {
		s.T.Errorf("an owner's own binding: %v", err)
	}

	ns, err := core.Namespaces().Patch(s.ctx, "demo", types.MergePatchType, []byte(`{"metadata":{"annotations":{"vmware-system-resource-pool":"x","a":"b"}}}`), metav1.PatchOptions{})
	if err != nil || ns.Annotations[namespaceapi.AnnotationResourcePool] != "resgroup-100" || ns.Annotations["a"] != "b" {
		s.T.Errorf("got %v, %v", ns.Annotations, err)
	}
	if err := core.Namespaces().Delete(s.ctx, "demo", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "pacific namespace delete demo") {
		s.T.Errorf("kubectl deletes a namespace of center's: %v", err)
	}
}

func (s *story) changes() {
	s.want(204, "", "PATCH", instances+"/demo", `{"storage_specs":[{"policy":"policy-1","limit":40960},{"policy":"policy-2"}],"resource_spec":{}}`)
	s.hard("demo-storagequota", "class-1.storageclass.storage.k8s.io/requests.storage", "40Gi")
	s.hard("demo-storagequota", "class-2.storageclass.storage.k8s.io/requests.storage", "9223372036854775807")
	s.hard("demo", "pods", "")
	s.eventually("the limits are gone", func() bool {
		ns, err := s.admin.CoreV1().Namespaces().Get(s.ctx, "demo", metav1.GetOptions{})
		limits, listErr := s.admin.CoreV1().LimitRanges("demo").List(s.ctx, metav1.ListOptions{})
		return err == nil && listErr == nil && len(limits.Items) == 0 && ns.Annotations[namespaceapi.AnnotationCPULimit] == "" && ns.Annotations[namespaceapi.AnnotationMemoryLimit] == ""
	})
	s.create("other", "")
	s.eventually("a class that another namespace has cannot be used", func() bool {
		q, err := s.admin.CoreV1().ResourceQuotas("other").Get(s.ctx, "other-storagequota", metav1.GetOptions{})
		return err == nil && len(q.Spec.Hard) == 2
	})
	s.running("other")
	s.want(204, "", "DELETE", instances+"/other", "")
}

func (s *story) foreign() {
	plain := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}
	if _, err := s.admin.CoreV1().Namespaces().Create(s.ctx, plain, metav1.CreateOptions{}); err != nil {
		s.T.Fatal(err)
	}
	s.want(400, "ALREADY_EXISTS", "POST", instances, `{"cluster":"domain-c1","namespace":"plain"}`)
	if err := s.admin.CoreV1().Namespaces().Delete(s.ctx, "plain", metav1.DeleteOptions{}); err != nil {
		s.T.Fatal(err)
	}
	s.eventually("the name is free", func() bool {
		code, _ := s.do("POST", instances, `{"cluster":"domain-c1","namespace":"plain"}`)
		return code == 204
	})
	s.running("plain")
}

func (s *story) removes() {
	pods := s.admin.CoreV1().Pods("plain")
	for i := range 7 {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p-%d", i)}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
		if i == 0 {
			pod.Finalizers = []string{"test.pacific.internal/held"}
		}
		s.eventually("a pod is taken", func() bool {
			_, err := pods.Create(s.ctx, pod, metav1.CreateOptions{})
			return err == nil || apierrors.IsAlreadyExists(err)
		})
	}
	s.want(204, "", "DELETE", instances+"/plain", "")
	s.eventually("it says what it waits for", func() bool {
		status, messages := s.shows("plain")
		return status == "REMOVING" && strings.Contains(messages, "1 pod: p-0 (held by test.pacific.internal/held)")
	})
	if _, err := pods.Patch(s.ctx, "p-0", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		s.T.Fatal(err)
	}
	s.isGone("plain")
}

func (s *story) selfServed() {
	dev := s.supervisor.as("sso:dev1@corp.local")
	mine := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
	if _, err := dev.CoreV1().Namespaces().Create(s.ctx, mine, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		s.T.Fatalf("without self-service: %v", err)
	}
	s.want(204, "", "POST", selfServicePath+"/domain-c1?action=activateWithTemplate",
		`{"template":"small","resource_spec":{"pod_count":3},"permissions":[{"subject_type":"USER","subject":"dev1","domain":"corp.local"}]}`)
	s.eventually("dev1 may make namespaces", func() bool {
		_, err := dev.CoreV1().Namespaces().Create(s.ctx, mine, metav1.CreateOptions{})
		return err == nil
	})
	s.running("mine")
	info := s.get(instances + "/mine")
	if info["self_service_namespace"] != true || info["creator"].(map[string]any)["subject"] != "dev1" || info["resource_spec"].(map[string]any)["pod_count"] != 3.0 {
		s.T.Errorf("got %v", info)
	}
	if !s.can(dev, "create", "", "pods", "mine", "") {
		s.T.Error("who made the namespace cannot use it")
	}
	ns, err := s.admin.CoreV1().Namespaces().Get(s.ctx, "mine", metav1.GetOptions{})
	if err != nil || ns.Annotations[namespaceapi.AnnotationSelfService] != "true" || ns.Annotations[namespaceapi.AnnotationOwnerCount] != "1" {
		s.T.Errorf("got %v, %v", ns.Annotations, err)
	}
	if err := dev.CoreV1().Namespaces().Delete(s.ctx, "mine", metav1.DeleteOptions{}); err != nil {
		s.T.Fatal(err)
	}
	s.isGone("mine")
	s.want(204, "", "POST", selfServicePath+"/domain-c1?action=deactivate", "")
	s.eventually("dev1 may not make namespaces any more", func() bool { return !s.can(dev, "create", "", "namespaces", "", "") })
}

// deaths: center dies at its n-th change in the Supervisor, for each n until it gets through; another one goes on.
func (s *story) deaths() {
	s.stop()
	remove := func(name string) (begin func(), end func() bool) {
		return func() { s.want(204, "", "DELETE", instances+"/"+name, "") }, func() bool { code, _ := s.do("GET", instances+"/"+name, ""); return code == 404 }
	}
	for n := int64(1); ; n++ {
		name := fmt.Sprintf("mortal-%d", n)
		survived := s.dieAt(n, func() {
			s.create(name, `,"resource_spec":{"pod_count":1},"access_list":[{"subject_type":"USER","subject":"dev1","domain":"corp.local","role":"OWNER"}]`)
		}, func() bool { status, _ := s.shows(name); return status == "RUNNING" })
		if n <= 2 { // a removal is one change
			begin, end := remove(name)
			s.dieAt(n, begin, end)
			s.isGone(name)
		}
		if survived {
			s.T.Logf("%d deaths while a namespace was made", n-1)
			break
		}
	}
	s.startCenter()
}

// dieAt tells whether a center came to the end without dying. If it did not, one that lives brings it to the end.
func (s *story) dieAt(n int64, begin func(), end func() bool) (survived bool) {
	dead := make(chan struct{}, 1000)
	var cancel func()
	s.world.configs["domain-c1"] = dyingAt(s.supervisor.config, n, func() {
		cancel()
		select {
		case dead <- struct{}{}:
		default:
		}
	})
	s.startCenter()
	cancel = s.cancel
	begin()
	s.eventually("the end, or death", func() bool { return len(dead) > 0 || end() })
	survived = len(dead) == 0
	s.stop()
	s.world.configs["domain-c1"] = s.supervisor.config
	if !survived {
		s.startCenter()
		s.eventually("the next center goes on", end)
		s.stop()
	}
	return survived
}

func (s *story) away() {
	s.supervisor.kill()
	s.create("late", "")
	s.want(204, "", "PATCH", instances+"/demo", `{"resource_spec":{"pod_count":5}}`)
	s.eventually("it says that the Supervisor is away", func() bool {
		status, messages := s.shows("late")
		return status == "CONFIGURING" && strings.Contains(messages, "refused")
	})
	s.supervisor.start()
	s.running("late")
	s.running("demo")
	s.hard("demo", "pods", "5")
}

func (s *story) gone() {
	s.world.drop("domain-c1")
	s.eventually("the namespaces went with their Supervisor", func() bool {
		_, answer := s.do("GET", instances, "")
		return strings.TrimSpace(answer) == "[]"
	})
}
