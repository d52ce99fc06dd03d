//go:build e2e

package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/api/crx"
	"pacific/guest/initrd"
	"pacific/internal/channel"
)

// guestDir holds what `make guest` builds.
const guestDir = "../../../bin/guest"

// kernelDir is where the kernel is: PACIFIC_GUEST_DIR, else guestDir.
func kernelDir() string {
	if dir := os.Getenv("PACIFIC_GUEST_DIR"); dir != "" {
		return dir
	}
	return guestDir
}

func modules() string {
	dir := filepath.Join(kernelDir(), "modules")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// vm is a CRX that the test boots by itself.
type vm struct {
	t       *testing.T
	dir     string
	qemu    *exec.Cmd
	booted  time.Time
	session *channel.Session
	agent   agentv1.AgentClient
}

// Logical unit numbers of the test's disks.
const (
	imageLUN     = 0
	ephemeralLUN = 1
)

// boot starts a VM with these disks by LUN and connects to its agent.
func boot(t *testing.T, disks ...string) *vm {
	t.Helper()
	v := &vm{t: t, dir: t.TempDir(), booted: time.Now()}
	v.start(disks)
	t.Cleanup(v.kill)
	v.connect()
	return v
}

func (v *vm) start(disks []string) {
	t := v.t
	acpi := "off"
	if modules() != "" {
		acpi = "on" // Debian's cloud kernel finds its devices by ACPI only
	}
	// One processor: with several, an emulated guest can crash when the kernel patches its own code.
	args := []string{
		"-M", "microvm,rtc=on,acpi=" + acpi, "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-m", "256", "-smp", "1",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(kernelDir(), "vmlinux"), "-initrd", v.initramfs(),
		"-append", "console=ttyS0 reboot=t panic=-1 quiet tsc=reliable tsc_early_khz=" + tscKHz(t) + " " + crx.ParamPersonality + "=agent",
		"-serial", "file:" + v.path("console"),
		"-device", "virtio-serial-device", "-device", "virtio-scsi-device,id=scsi", "-device", "virtio-rng-device",
		"-chardev", "socket,id=init,server=on,wait=off,path=" + v.path("init.sock"),
		"-device", "virtserialport,chardev=init,name=" + crx.InitPort,
		"-chardev", "socket,id=personality,server=on,wait=off,path=" + v.path("personality.sock"),
		"-device", "virtserialport,chardev=personality,name=" + crx.PersonalityPort,
		"-netdev", "user,id=net,restrict=on", "-device", "virtio-net-device,netdev=net,mac=02:00:00:00:00:01",
	}
	for lun, disk := range disks {
		id := fmt.Sprintf("disk%d", lun)
		readOnly := "off"
		if lun == imageLUN {
			readOnly = "on"
		}
		args = append(args, "-drive", fmt.Sprintf("if=none,format=raw,id=%s,file=%s,readonly=%s", id, disk, readOnly),
			"-device", fmt.Sprintf("scsi-hd,bus=scsi.0,lun=%d,drive=%s", lun, id))
	}
	v.qemu = exec.Command("qemu-system-x86_64", args...)
	v.qemu.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output bytes.Buffer
	v.qemu.Stdout, v.qemu.Stderr = &output, &output
	if err := v.qemu.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			console, _ := os.ReadFile(v.path("console"))
			t.Logf("QEMU: %s\nconsole:\n%s", output.String(), console)
		}
	})
}

func (v *vm) path(name string) string { return filepath.Join(v.dir, name) }

func (v *vm) initramfs() string {
	v.t.Helper()
	f, err := os.Create(v.path("initramfs"))
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	contents := initrd.Contents{
		Init: filepath.Join(guestDir, "crx-init"), Personality: filepath.Join(guestDir, "personalities/agent"), ModulesDir: modules(),
	}
	if err := initrd.Write(w, contents); err != nil {
		v.t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		v.t.Fatal(err)
	}
	return f.Name()
}

// tscKHz spares the guest a calibration that an emulated clock can make hang.
func tscKHz(t *testing.T) string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`cpu MHz\s*: ([0-9.]+)`).FindSubmatch(b)
	mhz, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(mhz * 1000))
}

// connect connects to the agent, a second time too.
func (v *vm) connect() {
	v.t.Helper()
	if v.session != nil {
		v.session.Close()
	}
	ctx, cancel := context.WithTimeout(v.t.Context(), 90*time.Second)
	defer cancel()
	for {
		session, err := channel.Dial(ctx, v.path("personality.sock"))
		if err == nil {
			v.session = session
			break
		}
		if ctx.Err() != nil {
			v.t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // QEMU has not made its socket yet
	}
	client, err := v.session.RPC(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	v.agent = agentv1.NewAgentClient(client)
}

// kill ends the VM as a crash of QEMU would.
func (v *vm) kill() {
	if v.session != nil {
		v.session.Close()
	}
	if v.qemu.ProcessState == nil {
		_ = v.qemu.Process.Kill()
		_ = v.qemu.Wait()
	}
}

// image makes a disk with a busybox root file system.
func image(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"bin", "etc", "tmp", "data", "home/app", "dev", "proc", "sys", "root"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"bin/busybox":    string(busybox),
		"etc/passwd":     "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
		"etc/group":      "root:x:0:\napp:x:1001:\nextra:x:2000:app\n",
		"data/of-image":  "image data\n",
		"bin/not-a-exec": "data",
	} {
		mode := os.FileMode(0o755)
		if !strings.HasPrefix(name, "bin/busybox") {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chroot", root, "/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
		t.Fatalf("install busybox: %v %s", err, out)
	}
	return ext4(t, "image", "64M", "-d", root)
}

func ext4(t *testing.T, name, size string, options ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := append([]string{"-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=1"}, options...)
	out, err := exec.Command("mkfs.ext4", append(args, path, size)...).CombinedOutput()
	if err != nil {
		t.Fatalf("mkfs.ext4: %v %s", err, out)
	}
	return path
}

func ephemeral(t *testing.T) string { return ext4(t, "ephemeral", "256M") }
