package spec

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	agentv1 "pacific/api/agent/v1"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/sys/user"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// User is who the container's processes are.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// CheckNonRoot tells, in the kubelet's words, why a container that must not run as root would.
func CheckNonRoot(pod *agentv1.Pod, c *agentv1.Container, image imagespec.ImageConfig) error {
	sec := c.GetSecurity()
	if !sec.GetRunAsNonRoot() {
		return nil
	}
	at := fmt.Sprintf("(pod: %q, container: %s)", PodString(pod), c.GetName())
	if sec.RunAsUser != nil {
		if sec.GetRunAsUser() == 0 {
			return fmt.Errorf("container's runAsUser breaks non-root policy %s", at)
		}
		return nil
	}
	name, _, _ := strings.Cut(image.User, ":")
	if name == "" {
		name = "0"
	}
	uid, err := strconv.ParseInt(name, 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root %s", name, at)
	case uid == 0:
		return fmt.Errorf("container has runAsNonRoot and image will run as root %s", at)
	}
	return nil
}

// PodString is how the kubelet names a pod in messages.
func PodString(pod *agentv1.Pod) string {
	return fmt.Sprintf("%s_%s(%s)", pod.GetName(), pod.GetNamespace(), pod.GetUid())
}

// ResolveUser finds the user of a container in the image's user database. The root file system is not trusted: its files
// are opened below it and nowhere else.
func ResolveUser(pod *agentv1.Pod, c *agentv1.Container, image imagespec.ImageConfig, rootfs string) (User, error) {
	named := userString(c.GetSecurity(), image)
	passwd, group := open(rootfs, "etc/passwd"), open(rootfs, "etc/group")
	defer passwd.Close()
	defer group.Close()
	found, err := user.GetExecUser(named, &user.ExecUser{}, passwd, group)
	if err != nil {
		return User{}, fmt.Errorf("container user %q: %w", named, err)
	}
	u := User{UID: uint32(found.Uid), GID: uint32(found.Gid)}
	if !c.GetSecurity().GetStrictSupplementalGroups() {
		for _, g := range append(found.Sgids, memberships(rootfs, found.Uid)...) {
			u.Groups = appendGroup(u.Groups, uint32(g))
		}
	}
	for _, g := range c.GetSecurity().GetSupplementalGroups() {
		u.Groups = appendGroup(u.Groups, uint32(g))
	}
	if pod.FsGroup != nil {
		u.Groups = appendGroup(u.Groups, uint32(pod.GetFsGroup()))
	}
	u.Groups = appendGroup(u.Groups, u.GID)
	return u, nil
}

func userString(sec *agentv1.SecurityContext, image imagespec.ImageConfig) string {
	named := image.User
	if sec.GetRunAsUser() != 0 || sec != nil && sec.RunAsUser != nil {
		named = strconv.FormatInt(sec.GetRunAsUser(), 10)
	}
	if sec != nil && sec.RunAsGroup != nil {
		named, _, _ = strings.Cut(named, ":")
		if named == "" {
			named = "0"
		}
		named += ":" + strconv.FormatInt(sec.GetRunAsGroup(), 10)
	}
	if named == "" {
		named = "0"
	}
	return named
}

// memberships are the groups that /etc/group gives the user, whatever its primary group was set to.
func memberships(rootfs string, uid int) []int {
	passwd := open(rootfs, "etc/passwd")
	defer passwd.Close()
	users, err := user.ParsePasswdFilter(passwd, func(u user.User) bool { return u.Uid == uid })
	if err != nil || len(users) == 0 {
		return nil
	}
	group := open(rootfs, "etc/group")
	defer group.Close()
	groups, err := user.ParseGroupFilter(group, func(g user.Group) bool { return slices.Contains(g.List, users[0].Name) })
	if err != nil {
		return nil
	}
	var gids []int
	for _, g := range groups {
		gids = append(gids, g.Gid)
	}
	return gids
}

func appendGroup(groups []uint32, g uint32) []uint32 {
	if slices.Contains(groups, g) {
		return groups
	}
	return append(groups, g)
}

// maxDatabase bounds what is read of a user database.
const maxDatabase = 4 << 20

type database struct {
	io.Reader
	io.Closer
}

// open opens a file of the image; an image without one has an empty one. Links are followed as they are in the container.
func open(rootfs, name string) database {
	none := database{strings.NewReader(""), io.NopCloser(nil)}
	handle, err := pathrs.OpenInRoot(rootfs, name)
	if err != nil {
		return none
	}
	defer handle.Close()
	if info, err := handle.Stat(); err != nil || !info.Mode().IsRegular() {
		return none
	}
	f, err := pathrs.Reopen(handle, os.O_RDONLY)
	if err != nil {
		return none
	}
	return database{io.LimitReader(f, maxDatabase), f}
}
