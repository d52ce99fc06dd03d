//go:build e2e

package agent_test

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/channel"
	"pacific/internal/logfile"
)

func newPod(containers ...*agentv1.Container) *agentv1.Pod {
	return &agentv1.Pod{
		Uid: "uid-1", Namespace: "default", Name: "web", Hostname: "web-0",
		Network: &agentv1.Network{
			Addresses: []string{"10.0.2.15/32"}, Mac: "02:00:00:00:00:02", Gateways: []string{"10.0.2.2"}, GatewayMac: "52:55:0a:00:02:02", Mtu: 1400,
		},
		Dns:                     &agentv1.Dns{Servers: []string{"10.96.0.10"}, Searches: []string{"default.svc.cluster.local"}, Options: []string{"ndots:5"}},
		RestartPolicy:           agentv1.RestartPolicy_ALWAYS,
		Containers:              containers,
		Ephemeral:               &agentv1.Disk{Lun: ephemeralLUN, Filesystem: "ext4"},
		TerminationGraceSeconds: 30,
	}
}

func container(name string, command ...string) *agentv1.Container {
	return &agentv1.Container{
		Name: name, Image: "busybox", Command: command,
		ImageDisk:              &agentv1.Disk{Lun: imageLUN, Filesystem: "ext4", ReadOnly: true},
		ImageConfig:            []byte(`{"config":{"Env":["FROM=image","BOTH=image"],"Volumes":{"/data":{}},"WorkingDir":"/tmp"}}`),
		TerminationMessagePath: "/dev/termination-log",
	}
}

func sh(name, script string) *agentv1.Container { return container(name, "sh", "-c", script) }

func (v *vm) startPod(p *agentv1.Pod) {
	v.t.Helper()
	if _, err := v.agent.Start(v.t.Context(), &agentv1.StartRequest{Pod: p}); err != nil {
		v.t.Fatal(err)
	}
}

// await watches until the status fits.
func (v *vm) await(what string, fits func(*agentv1.PodStatus) bool) *agentv1.PodStatus {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 5*time.Minute)
	defer cancel()
	client, err := v.session.RPC(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	defer client.Close()
	w, err := agentv1.NewAgentClient(client).Watch(ctx, &agentv1.WatchRequest{})
	if err != nil {
		v.t.Fatal(err)
	}
	var last *agentv1.PodStatus
	for {
		s, err := w.Recv()
		if err != nil {
			v.t.Fatalf("waiting for %s: %v; last: %v", what, err, last)
		}
		if last = s; fits(s) {
			return s
		}
	}
}

func allReady(s *agentv1.PodStatus) bool {
	for _, c := range s.GetContainers() {
		if !c.GetReady() {
			return false
		}
	}
	return len(s.GetContainers()) > 0
}

func (v *vm) status(name string, s *agentv1.PodStatus) *agentv1.ContainerStatus {
	v.t.Helper()
	for _, c := range slices.Concat(s.GetInitContainers(), s.GetContainers(), s.GetEphemeralContainers()) {
		if c.GetName() == name {
			return c
		}
	}
	v.t.Fatalf("no status of container %s", name)
	return nil
}

// stream opens a stream of a session.
func (v *vm) stream(session, name string) io.ReadWriteCloser {
	v.t.Helper()
	conn, err := v.session.Open(v.t.Context(), channel.Header{Kind: channel.KindSession, Session: session, Stream: name})
	if err != nil {
		v.t.Fatal(err)
	}
	return conn
}

type execResult struct {
	stdout, stderr string
	code           int32
	err            string
}

func (v *vm) exec(container, stdin string, command ...string) execResult {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 5*time.Minute)
	defer cancel()
	s, err := v.agent.Exec(ctx, &agentv1.ExecRequest{Container: container, Command: command, Stdin: stdin != "", Stdout: true, Stderr: true})
	if err != nil {
		v.t.Fatal(err)
	}
	defer v.agent.CloseSession(ctx, &agentv1.CloseSessionRequest{Session: s.GetSession()})
	if stdin != "" {
		in := v.stream(s.GetSession(), "stdin")
		io.WriteString(in, stdin)
		in.Close()
	}
	errOut := v.stream(s.GetSession(), "stderr")
	stdout, err := io.ReadAll(v.stream(s.GetSession(), "stdout"))
	if err != nil {
		v.t.Fatal(err)
	}
	stderr, err := io.ReadAll(errOut)
	if err != nil {
		v.t.Fatal(err)
	}
	w, err := v.agent.Wait(ctx, &agentv1.WaitRequest{Session: s.GetSession()})
	if err != nil {
		v.t.Fatal(err)
	}
	return execResult{string(stdout), string(stderr), w.GetExitCode(), w.GetError()}
}

// want runs a script in a container and compares what it writes.
func (v *vm) want(container, script, want string) {
	v.t.Helper()
	if got := v.exec(container, "", "sh", "-c", script); got.stdout != want || got.code != 0 {
		v.t.Errorf("%s: %s: got %+v, want %q", container, script, got, want)
	}
}

func (v *vm) log(r channel.LogRequest) string {
	v.t.Helper()
	conn, err := v.session.Open(v.t.Context(), channel.Header{Kind: channel.KindLog, Log: &r})
	if err != nil {
		v.t.Fatal(err)
	}
	defer conn.Close()
	var text string
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		text += v.line(lines.Bytes())
	}
	return text
}

func (v *vm) line(line []byte) string {
	v.t.Helper()
	e, err := logfile.Parse(line)
	if err != nil {
		v.t.Fatalf("log line %q: %v", line, err)
	}
	return e.Stream + ":" + string(e.Text)
}

// awaitLog follows a log until it is as wanted.
func (v *vm) awaitLog(container string, attempt uint32, want string) {
	v.t.Helper()
	conn, err := v.session.Open(v.t.Context(), channel.Header{Kind: channel.KindLog, Log: &channel.LogRequest{
		Container: container, Attempt: attempt, Follow: true, TailLines: -1}})
	if err != nil {
		v.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	var got string
	for lines := bufio.NewScanner(conn); got != want && lines.Scan(); {
		got += v.line(lines.Bytes())
	}
	if got != want {
		v.t.Errorf("log of %s, attempt %d: %q, want %q", container, attempt, got, want)
	}
}

func TestPod(t *testing.T) {
	a := sh("a", "echo out; echo err >&2; while read line; do echo got $line; done; exec sleep 1000")
	a.Stdin, a.StdinOnce = true, true
	a.Env = []*agentv1.EnvVar{{Name: "BOTH", Value: "pod"}}
	a.Mounts = []*agentv1.Mount{{Volume: "shared", Path: "/shared"}, {Volume: "files", Path: "/files", ReadOnly: true}, {Volume: "files", Path: "/one", SubPath: "b"}}
	b := sh("b", "nc -l -p 8080 -e cat; exec sleep 1000")
	b.Security = &agentv1.SecurityContext{RunAsUser: proto(int64(1000)), ReadOnlyRoot: true, Seccomp: "runtime/default", NoNewPrivileges: true, DropCapabilities: []string{"ALL"}}
	b.Mounts = []*agentv1.Mount{{Volume: "shared", Path: "/shared", SubPath: "sub/dir"}, {Volume: "memory", Path: "/memory"}}
	terminal := container("c", "sh")
	terminal.Tty, terminal.Stdin = true, true
	pod := newPod(a, b, terminal)
	pod.InitContainers = []*agentv1.Container{sh("init", "echo init > /dev/termination-log")}
	pod.HostAliases = []*agentv1.HostAlias{{Ip: "1.2.3.4", Hostnames: []string{"alias"}}}
	pod.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
	pod.Volumes = []*agentv1.Volume{
		{Name: "shared", Source: &agentv1.Volume_EmptyDir_{EmptyDir: &agentv1.Volume_EmptyDir{}}},
		{Name: "memory", Source: &agentv1.Volume_EmptyDir_{EmptyDir: &agentv1.Volume_EmptyDir{Memory: true, SizeLimitBytes: 1 << 20}}},
		filesVolume("1"),
	}
	v := boot(t, image(t), ephemeral(t))
	t.Logf("connected to the agent %v after QEMU's start", time.Since(v.booted))
	begun := time.Now()
	v.startPod(pod)
	s := v.await("readiness", allReady)
	t.Logf("pod of 4 containers ready %v after Start", time.Since(begun))
	if m := v.status("init", s).GetState().GetTerminated(); m.GetMessage() != "init\n" || m.GetReason() != "Completed" {
		t.Errorf("init container: %v", m)
	}

	t.Run("process", func(t *testing.T) {
		v.want("a", "echo $FROM $BOTH $HOSTNAME $HOME; pwd; id -u", "image pod web-0 /root\n/tmp\n0\n")
		v.want("b", "id -u; id -g; id -G; echo $HOME; touch /x 2>/dev/null || echo read-only", "1000\n1001\n1001 2000\n/home/app\nread-only\n")
		v.want("a", "cat /proc/1/comm; cat /data/of-image; hostname", "sh\nimage data\nweb-0\n")
		v.want("b", "grep -c . /proc/self/status > /dev/null; grep Seccomp: /proc/self/status | cut -f2; grep CapEff /proc/self/status | cut -f2", "2\n0000000000000000\n")
		v.want("a", "grep CapEff /proc/self/status | cut -f2; ls /proc/self/fd | wc -l; dd if=/dev/sda of=/dev/null count=1 2>&1 | head -1", "00000000a80425fb\n4\ndd: can't open '/dev/sda': No such file or directory\n")
		v.want("a", "mknod /tmp/sda b 8 16 && dd if=/tmp/sda of=/dev/null count=1 2>&1 | head -1; ulimit -n", "dd: can't open '/tmp/sda': Operation not permitted\n1048576\n")
	})
	t.Run("files", func(t *testing.T) {
		v.want("a", "cat /etc/resolv.conf", "search default.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n")
		v.want("a", "grep -v '^[f:#]' /etc/hosts", "127.0.0.1\tlocalhost\n10.0.2.15\tweb-0\n\n1.2.3.4\talias\n")
		v.want("a", "cat /files/a /files/deep/c /one; stat -L -c %a /files/a /files/..data/b", "a1\nc1\nb1\n644\n600\n")
		if _, err := v.agent.Update(t.Context(), &agentv1.UpdateRequest{Volumes: []*agentv1.Volume{filesVolume("2")}}); err != nil {
			t.Fatal(err)
		}
		v.want("a", "cat /files/a /files/deep/c /one; ls -a /files | grep -c '^[.][.]2'; touch /files/x 2>/dev/null || echo read-only", "a2\nc2\nb1\n1\nread-only\n")
	})
	t.Run("sharing", func(t *testing.T) {
		v.want("a", "echo hello > /dev/shm/x; echo 1 > /shared/sub/dir/file; touch /tmp/own", "")
		v.want("b", "cat /dev/shm/x /shared/file; ls /tmp; ps | wc -l", "hello\n1\n6\n")
		v.want("b", "dd if=/dev/zero of=/memory/x bs=1M count=2 2>&1 | grep -c 'No space'; df -k /memory | tail -1 | awk '{print $2}'", "1\n1024\n")
		v.want("a", "ip -o addr show dev eth0 | grep -c '10.0.2.15/32'; ip link show eth0 | grep -c 'UP.* mtu 1400'; ip route | sort; ip neigh | grep -c PERMANENT", "1\n1\n10.0.2.2 dev eth0 scope link \ndefault via 10.0.2.2 dev eth0 onlink \n1\n")
	})
	t.Run("port", func(t *testing.T) {
		conn, err := v.session.Open(t.Context(), channel.Header{Kind: channel.KindPort, Port: 8080})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "through the port")
		conn.(*channel.Stream).CloseWrite()
		if b, err := io.ReadAll(conn); string(b) != "through the port" || err != nil {
			t.Errorf("%q %v", b, err)
		}
		conn.Close()
	})
	t.Run("exec", func(t *testing.T) {
		if r := v.exec("a", "", "sh", "-c", "echo out; echo err >&2; exit 3"); r != (execResult{"out\n", "err\n", 3, ""}) {
			t.Errorf("%+v", r)
		}
		big := strings.Repeat("0123456789abcdef", 40_000)
		if r := v.exec("a", big, "cat"); r.stdout != big || r.code != 0 {
			t.Errorf("cat gave %d bytes, code %d", len(r.stdout), r.code)
		}
		if r := v.exec("a", "", "no-such-command"); r.code != 127 || !strings.Contains(r.err, `exec: "no-such-command": executable file not found in $PATH`) {
			t.Errorf("%+v", r)
		}
		if r := v.exec("a", "", "/bin/not-a-exec"); r.code != 126 || !strings.Contains(r.err, "permission denied") {
			t.Errorf("%+v", r)
		}
		if r := v.exec("a", "", "sh", "-c", "kill -9 $$"); r.code != 137 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("terminal", func(t *testing.T) { v.terminal(t) })
	t.Run("attach", func(t *testing.T) { v.attach(t) })
	t.Run("logs", func(t *testing.T) {
		if got := v.log(channel.LogRequest{Container: "a", TailLines: -1}); got != "stdout:out\nstderr:err\nstdout:got me\n" && got != "stderr:err\nstdout:out\nstdout:got me\n" {
			t.Errorf("%q", got)
		}
		if got := v.log(channel.LogRequest{Container: "a", TailLines: 1}); got != "stdout:got me\n" {
			t.Errorf("%q", got)
		}
	})
	t.Run("stats", func(t *testing.T) {
		s, err := v.agent.Stats(t.Context(), &agentv1.StatsRequest{})
		if err != nil || len(s.GetContainers()) != 3 || s.GetContainers()[0].GetMemoryUsageBytes() == 0 || s.GetContainers()[0].GetPids() == 0 || s.GetEphemeralCapacityBytes() == 0 {
			t.Error(s, err)
		}
	})
	t.Run("reconnect", func(t *testing.T) {
		for range 3 {
			v.connect()
			v.want("a", "echo still here", "still here\n")
		}
	})
	t.Run("stop", func(t *testing.T) {
		begun := time.Now()
		if _, err := v.agent.Stop(t.Context(), &agentv1.StopRequest{GraceSeconds: 3}); err != nil {
			t.Fatal(err)
		}
		s := v.await("the end", (*agentv1.PodStatus).GetFinished)
		if took := time.Since(begun); took < 3*time.Second || took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		// The first process of a PID namespace ignores SIGTERM unless it handles it.
		if e := v.status("a", s).GetState().GetTerminated(); e.GetExitCode() != 137 || e.GetReason() != "Error" {
			t.Errorf("%v", e)
		}
	})
}

func proto[T any](v T) *T { return &v }

func filesVolume(version string) *agentv1.Volume {
	return &agentv1.Volume{Name: "files", Source: &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{Files: []*agentv1.File{
		{Path: "a", Data: []byte("a" + version + "\n")},
		{Path: "b", Data: []byte("b" + version + "\n"), Mode: 0o600},
		{Path: "deep/c", Data: []byte("c" + version + "\n")},
	}}}}
}

// terminal executes a shell on a terminal, resizes it, and types.
func (v *vm) terminal(t *testing.T) {
	s, err := v.agent.Exec(t.Context(), &agentv1.ExecRequest{Container: "a", Command: []string{"sh"}, Tty: true, Stdin: true, Stdout: true})
	if err != nil {
		t.Fatal(err)
	}
	out, in := v.stream(s.GetSession(), "stdout"), v.stream(s.GetSession(), "stdin")
	if _, err := v.agent.Resize(t.Context(), &agentv1.ResizeRequest{Session: s.GetSession(), Width: 91, Height: 33}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "stty size; echo $TERM; exit 7\n")
	text, err := io.ReadAll(out)
	if err != nil || !strings.Contains(string(text), "33 91\r\nxterm\r\n") {
		t.Errorf("%q %v", text, err)
	}
	if w, err := v.agent.Wait(t.Context(), &agentv1.WaitRequest{Session: s.GetSession()}); err != nil || w.GetExitCode() != 7 {
		t.Error(w, err)
	}
}

// attach writes to the input of a container that is kept until then.
func (v *vm) attach(t *testing.T) {
	s, err := v.agent.Attach(t.Context(), &agentv1.AttachRequest{Container: "a", Stdin: true, Stdout: true})
	if err != nil {
		t.Fatal(err)
	}
	out, in := v.stream(s.GetSession(), "stdout"), v.stream(s.GetSession(), "stdin")
	time.Sleep(200 * time.Millisecond) // attach shows what comes from now on
	io.WriteString(in, "me\n")
	got := make([]byte, len("got me\n"))
	if _, err := io.ReadFull(out, got); err != nil || string(got) != "got me\n" {
		t.Errorf("%q %v", got, err)
	}
	in.Close()
	out.Close()
}

func TestFailures(t *testing.T) {
	crash := sh("crash", "echo run >> /kept/runs; echo last words >&2; exit 5")
	crash.Mounts = []*agentv1.Mount{{Volume: "kept", Path: "/kept"}}
	crash.TerminationMessageFallbackToLogs = true
	hungry := sh("hungry", "sleep 1; x=0123456789; while :; do x=$x$x; done")
	hungry.Resources = &agentv1.Resources{MemoryLimitBytes: 16 << 20}
	missing := container("missing", "no-such-command")
	root := sh("root", "true")
	root.Security = &agentv1.SecurityContext{RunAsNonRoot: true}
	unhealthy := sh("unhealthy", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
	unhealthy.LivenessProbe = execProbe("echo not well; exit 1")
	pod := newPod(crash, hungry, missing, root, unhealthy)
	pod.Volumes = []*agentv1.Volume{{Name: "kept", Source: &agentv1.Volume_EmptyDir_{EmptyDir: &agentv1.Volume_EmptyDir{}}}}
	v := boot(t, image(t), ephemeral(t))
	v.startPod(pod)

	s := v.await("all failures", func(s *agentv1.PodStatus) bool {
		for _, name := range []string{"crash", "hungry", "missing", "unhealthy"} {
			if v.status(name, s).GetLastTermination() == nil {
				return false
			}
		}
		return v.status("crash", s).GetState().GetWaiting().GetReason() == "CrashLoopBackOff"
	})
	c := v.status("crash", s)
	if w := c.GetState().GetWaiting(); !crashMessage.MatchString(w.GetMessage()) || c.GetRestartCount() < 1 {
		t.Errorf("crash: %v", c)
	}
	if l := c.GetLastTermination(); l.GetExitCode() != 5 || l.GetReason() != "Error" || l.GetMessage() != "last words\n" {
		t.Errorf("crash: %v", l)
	}
	if l := v.status("hungry", s).GetLastTermination(); l.GetReason() != "OOMKilled" || l.GetExitCode() != 137 {
		t.Errorf("hungry: %v", l)
	}
	if l := v.status("missing", s).GetLastTermination(); l.GetReason() != "StartError" || l.GetExitCode() != 128 ||
		!strings.Contains(l.GetMessage(), `exec: "no-such-command": executable file not found in $PATH`) {
		t.Errorf("missing: %v", l)
	}
	if w := v.status("root", s).GetState().GetWaiting(); w.GetReason() != "CreateContainerConfigError" ||
		w.GetMessage() != `container has runAsNonRoot and image will run as root (pod: "web_default(uid-1)", container: root)` {
		t.Errorf("root: %v", w)
	}
	if l := v.status("unhealthy", s).GetLastTermination(); l.GetExitCode() != 9 {
		t.Errorf("unhealthy: %v", l)
	}
	for _, want := range []string{
		"unhealthy Unhealthy Liveness probe failed: not well\n",
		"unhealthy Killing Container unhealthy failed liveness probe, will be restarted",
		"crash BackOff Back-off restarting failed container crash in pod web_default(uid-1)",
	} {
		if !hasEvent(s, want) {
			t.Errorf("no event %q in %v", want, s.GetEvents())
		}
	}
	previous := v.status("crash", s).GetRestartCount() - 1
	if got := v.log(channel.LogRequest{Container: "crash", Attempt: previous, TailLines: -1}); got != "stderr:last words\n" {
		t.Errorf("previous log: %q", got)
	}
}

var crashMessage = regexp.MustCompile(`^back-off \d0s restarting failed container=crash pod=web_default\(uid-1\)$`)

func hasEvent(s *agentv1.PodStatus, want string) bool {
	for _, e := range s.GetEvents() {
		if e.GetContainer()+" "+e.GetReason()+" "+e.GetMessage() == want {
			return true
		}
	}
	return false
}

func execProbe(script string) *agentv1.Probe {
	return &agentv1.Probe{
		Handler:       &agentv1.Handler{Action: &agentv1.Handler_Exec_{Exec: &agentv1.Handler_Exec{Command: []string{"sh", "-c", script}}}},
		PeriodSeconds: 1, FailureThreshold: 2, TimeoutSeconds: 20,
	}
}

func TestProbesAndHooks(t *testing.T) {
	web := sh("web", "sleep 1; touch /tmp/up; trap 'exit 0' TERM; (while :; do echo -e 'HTTP/1.0 200 OK\\r\\n\\r\\nok' | nc -l -p 80 > /dev/null; done) & while :; do sleep 0.1; done")
	web.StartupProbe = execProbe("test -e /tmp/up")
	web.StartupProbe.FailureThreshold = 30
	web.ReadinessProbe = &agentv1.Probe{PeriodSeconds: 1, FailureThreshold: 1, TimeoutSeconds: 5, Handler: &agentv1.Handler{
		Action: &agentv1.Handler_HttpGet_{HttpGet: &agentv1.Handler_HttpGet{Port: 80, Path: "/health"}}}}
	hook := func(script string) *agentv1.Handler {
		return &agentv1.Handler{Action: &agentv1.Handler_Exec_{Exec: &agentv1.Handler_Exec{Command: []string{"sh", "-c", script}}}}
	}
	web.PostStart = hook("echo hooked > /tmp/hook")
	web.PreStop = hook("echo stopping > /dev/termination-log")
	pod := newPod(web)
	pod.ShareProcessNamespace = true
	v := boot(t, image(t), ephemeral(t))
	v.startPod(pod)
	v.await("readiness", allReady)
	v.want("web", "cat /tmp/hook; cat /proc/1/comm", "hooked\npause\n")
	if _, err := v.agent.Stop(t.Context(), &agentv1.StopRequest{GraceSeconds: 20}); err != nil {
		t.Fatal(err)
	}
	s := v.await("the end", (*agentv1.PodStatus).GetFinished)
	if e := v.status("web", s).GetState().GetTerminated(); e.GetReason() != "Completed" || e.GetMessage() != "stopping\n" {
		t.Errorf("%v", e)
	}
}

// The VM dies while a container runs; the next one goes on with its counts, its log and its emptyDir.
func TestVMDies(t *testing.T) {
	counter := sh("counter", "echo run >> /kept/runs; cat /kept/runs; sleep 1000")
	counter.Mounts = []*agentv1.Mount{{Volume: "kept", Path: "/kept"}}
	pod := newPod(counter)
	pod.Volumes = []*agentv1.Volume{{Name: "kept", Source: &agentv1.Volume_EmptyDir_{EmptyDir: &agentv1.Volume_EmptyDir{}}}}
	img, eph := image(t), ephemeral(t)
	first := boot(t, img, eph)
	first.startPod(pod)
	first.await("readiness", allReady)
	first.awaitLog("counter", 0, "stdout:run\n")
	first.want("counter", "sync; cat /kept/runs", "run\n")
	first.kill()

	second := boot(t, img, eph)
	pod.Previous = &agentv1.Termination{ExitCode: 137, Reason: "VMTerminated", Message: "QEMU was killed by signal 9"}
	second.startPod(pod)
	s := second.await("readiness", allReady)
	c := second.status("counter", s)
	if l := c.GetLastTermination(); c.GetRestartCount() != 1 || l.GetExitCode() != 137 || l.GetReason() != "VMTerminated" || l.GetStartedAt() == nil {
		t.Errorf("%v", c)
	}
	second.awaitLog("counter", 1, "stdout:run\nstdout:run\n")
	if got := second.log(channel.LogRequest{Container: "counter", Attempt: 0, TailLines: -1}); got != "stdout:run\n" {
		t.Errorf("%q", got)
	}
}
