package hostagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/dataplane/firewall"
	"pacific/internal/dataplane/kernel"
	"pacific/internal/keeper"
	"pacific/internal/onemachine/leftover"
)

// stopGrace is for a daemon to end by itself.
const stopGrace = 15 * time.Second

// clean ends all that runs on the host and deletes what it left. It may be repeated at any point: the configuration, which
// makes the machine a host, goes last.
func (a *Agent) clean(ctx context.Context, daemons chan<- []keeper.Daemon) error {
	klog.InfoS("Host was removed from center; cleaning it")
	if err := a.Dir.saveWanted(a.order.get()); err != nil {
		return err
	}
	all := Daemons(a.Dir, a.config, nil) // hostd alone, to end its machines
	if err := hand(ctx, daemons, all); err != nil {
		return err
	}
	if err := a.destroyMachines(ctx); err != nil {
		klog.ErrorS(err, "hostd did not end its machines; they are killed")
	}
	if err := hand(ctx, daemons, nil); err != nil {
		return err
	}
	remove := a.removeKernel
	if remove == nil {
		remove = removeKernelObjects
	}
	return errors.Join(a.stop(), a.dropMembers(nil), remove(ctx, a.Dir, a.config), a.removeFiles())
}

func hand(ctx context.Context, to chan<- []keeper.Daemon, daemons []keeper.Daemon) error {
	select {
	case to <- daemons:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop waits for the end of the daemons, which the keeper has been told too.
func (a *Agent) stop() error {
	var errs []error
	for _, kind := range kinds {
		name := a.config.Prefix + kind
		if rec, ok := a.config.Records().Running(name); ok {
			errs = append(errs, rec.Terminate(stopGrace))
		}
		errs = append(errs, a.config.Records().Forget(name), removeIfThere(filepath.Join(a.config.RecordDir, name+".end")))
	}
	return errors.Join(errs...)
}

// destroyLimit is for hostd to come up and to end all machines.
var destroyLimit = time.Minute

func (a *Agent) destroyMachines(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, destroyLimit)
	defer cancel()
	conn, err := dialHostd(a.Dir, a.config)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := hostv1.NewVirtualMachinesClient(conn)
	machines, err := machinesOf(ctx, client)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, id := range machines {
		group.Go(func() error {
			_, err := client.Destroy(ctx, &hostv1.DestroyRequest{Id: id})
			return err
		})
	}
	return group.Wait()
}

// machinesOf lists all machines, as soon as hostd answers.
func machinesOf(ctx context.Context, client hostv1.VirtualMachinesClient) ([]string, error) {
	for {
		ids, err := listMachines(ctx, client)
		if err == nil || ctx.Err() != nil {
			return ids, err
		}
		pause(ctx, 500*time.Millisecond)
	}
}

func listMachines(ctx context.Context, client hostv1.VirtualMachinesClient) (ids []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := client.Watch(ctx, &hostv1.WatchRequest{IncludeUnmanaged: true})
	if err != nil {
		return nil, err
	}
	for {
		event, err := watch.Recv()
		if errors.Is(err, io.EOF) || err == nil && event.GetType() == hostv1.WatchEvent_SYNCED {
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, event.GetMachine().GetSpec().GetId())
	}
}

func removeKernelObjects(ctx context.Context, dir Dir, c Config) error {
	return errors.Join(
		leftover.KillCgroup(c.CgroupParent),
		leftover.Unmount(c.RunDir, string(dir)),
		leftover.RemoveCgroup(c.CgroupParent),
		kernel.RemoveAll(),
		firewall.RemoveAll(ctx),
	)
}

// removeFiles deletes what the agent and its daemons wrote; logs stay, for whoever asks why.
func (a *Agent) removeFiles() error {
	entries, err := os.ReadDir(string(a.Dir))
	if err != nil {
		return err
	}
	errs := []error{os.RemoveAll(a.config.RunDir)}
	for _, entry := range entries {
		path := a.Dir.file(entry.Name())
		if path != a.Dir.config() && path != a.Dir.wanted() && path != a.Dir.pki("") {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	if a.OnRemoved != nil {
		errs = append(errs, a.OnRemoved())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if strings.Count(string(a.Dir), "/") < 2 {
		return fmt.Errorf("%s is no directory of a host", a.Dir)
	}
	return errors.Join(os.RemoveAll(a.Dir.pki("")), removeIfThere(a.Dir.wanted()), removeIfThere(a.Dir.config()))
}
