// A personality for tests. It does what the lines say that come through its port, and answers each with a line.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pacific/internal/crx/hold"
	"pacific/internal/crx/scsi"
)

// rehearsals of this machine.
var rehearsals int

func main() {
	port, err := open("pacific.personality")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	hold.Here(func() { rehearsals++ })
	reader := bufio.NewReader(port)
	for {
		line, err := reader.ReadString('\n')
		if err == io.EOF { // no host
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil {
			os.Exit(2)
		}
		fmt.Fprintln(port, answer(strings.Fields(line)))
	}
}

func open(name string) (*os.File, error) {
	for range 200 {
		names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, file := range names {
			if text, _ := os.ReadFile(file); strings.TrimSpace(string(text)) == name {
				return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(file)), os.O_RDWR, 0)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("no port %s", name)
}

func answer(words []string) string {
	if len(words) == 0 {
		return ""
	}
	switch words[0] {
	case "exit":
		code, _ := strconv.Atoi(words[1])
		os.Exit(code)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "panic":
		panicKernel()
	case "disks":
		return strings.Join(disks(), " ")
	case "write":
		return write(words[1], words[2])
	case "cmdline":
		text, _ := os.ReadFile("/proc/cmdline")
		return strings.TrimSpace(string(text))
	case "identity":
		return identity()
	case "spin":
		go spin()
	case "clock":
		return strconv.FormatInt(time.Now().UnixNano(), 10)
	case "rehearsals":
		return strconv.Itoa(rehearsals)
	case "link":
		text, _ := os.ReadFile("/sys/class/net/eth0/address")
		return strings.TrimSpace(string(text))
	}
	return "echo " + strings.Join(words, " ")
}

// identity is what no two machines have in common.
func identity() string {
	random := make([]byte, 64)
	rand.Read(random)
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	machine, _ := os.ReadFile("/etc/machine-id")
	name, _ := os.Hostname()
	return fmt.Sprintf("random=%x boot=%s machine=%s name=%s", random, strings.TrimSpace(string(boot)), strings.TrimSpace(string(machine)), name)
}

// spin uses a processor.
func spin() {
	for {
	}
}

// panicKernel makes the kernel panic for want of memory.
func panicKernel() {
	if err := os.WriteFile("/proc/sys/vm/panic_on_oom", []byte("2"), 0); err != nil {
		fmt.Println(err)
		return
	}
	for hog := [][]byte(nil); ; {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		hog = append(hog, block)
	}
}

// disks lists "<lun>:<sectors>:<read-only>".
func disks() []string {
	var found []string
	blocks, _ := filepath.Glob("/sys/class/scsi_device/*/device/block/*")
	for _, block := range blocks {
		address := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(block))))
		size, _ := os.ReadFile(filepath.Join(block, "size"))
		ro, _ := os.ReadFile(filepath.Join(block, "ro"))
		lun := address[strings.LastIndexByte(address, ':')+1:]
		found = append(found, lun+":"+strings.TrimSpace(string(size))+":"+strings.TrimSpace(string(ro)))
	}
	return found
}

// write puts text at the start of the disk with this LUN, past its caches.
func write(lun, text string) string {
	number, err := strconv.Atoi(lun)
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	device, err := scsi.WaitDevice(ctx, number)
	if err != nil {
		return err.Error()
	}
	file, err := os.OpenFile(device, os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return err.Error()
	}
	return "written"
}
