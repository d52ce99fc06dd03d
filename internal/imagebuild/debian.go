package imagebuild

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Debian fetches packages of this machine's Debian release with all that they depend on. The files are kept in dir, so that the
// next time only what is new is fetched. It returns the paths of the .deb files, sorted by name.
func Debian(ctx context.Context, dir string, packages ...string) ([]string, error) {
	archives := filepath.Join(dir, "archives")
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return nil, err
	}
	// With an empty list of installed packages apt takes all dependencies.
	status := filepath.Join(dir, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return nil, err
	}
	install := append([]string{
		"-q", "-y", "--no-install-recommends",
		"-o", "Dir::State::status=" + status, "-o", "Dir::Cache::archives=" + archives, "-o", "APT::Sandbox::User=root",
		"install",
	}, packages...)
	if _, err := apt(ctx, append([]string{"--download-only"}, install...)...); err != nil {
		// The lists may be empty, or name versions that the mirror no longer has.
		if _, updateErr := apt(ctx, "-q", "update"); updateErr != nil {
			return nil, errors.Join(err, updateErr)
		}
		if _, err := apt(ctx, append([]string{"--download-only"}, install...)...); err != nil {
			return nil, err
		}
	}
	plan, err := apt(ctx, append([]string{"--simulate"}, install...)...)
	if err != nil {
		return nil, err
	}
	return archivesOf(plan, archives)
}

func apt(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(problems.Bytes()))
	}
	return out.String(), nil
}

// installation is a line of apt-get's plan: Inst curl (7.88.1-10 Debian:12.15/oldstable [amd64])
var installation = regexp.MustCompile(`(?m)^Inst (\S+) \((\S+) .*\[(\w+)\]\)`)

// archivesOf finds the files of a plan, whose names are escaped as apt does it.
func archivesOf(plan, dir string) ([]string, error) {
	var files []string
	for _, m := range installation.FindAllStringSubmatch(plan, -1) {
		name, _, _ := strings.Cut(m[1], ":")
		file := filepath.Join(dir, fmt.Sprintf("%s_%s_%s.deb", name, strings.ReplaceAll(m[2], ":", "%3a"), m[3]))
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("apt-get has not fetched package %s: %w", m[1], err)
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("apt-get's plan names no package: %q", plan)
	}
	slices.Sort(files)
	return files, nil
}

// documentation is what no container needs.
var documentation = regexp.MustCompile(`^usr/share/(doc|man|info|locale|lintian|bug|bash-completion)/`)

// Unpack returns the files of .deb archives without their documentation. No script of a package runs.
func Unpack(ctx context.Context, archives ...string) ([]Entry, error) {
	var entries []Entry
	seen := map[string]bool{}
	for _, archive := range archives {
		content, err := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", archive).Output()
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", archive, err)
		}
		found, err := entriesOf(content)
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", archive, err)
		}
		for _, e := range found {
			// Many packages have the same directories.
			if !seen[e.Name] {
				seen[e.Name] = true
				entries = append(entries, e)
			}
		}
	}
	return entries, nil
}

func entriesOf(archive []byte) ([]Entry, error) {
	var entries []Entry
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		h.Name = strings.TrimPrefix(path.Clean(h.Name), "./")
		if h.Name == "." || documentation.MatchString(h.Name) {
			continue
		}
		if h.Typeflag == tar.TypeLink {
			h.Linkname = strings.TrimPrefix(path.Clean(h.Linkname), "./")
		}
		e := Entry{Header: tar.Header{Typeflag: h.Typeflag, Name: h.Name, Linkname: h.Linkname, Mode: h.Mode, Size: h.Size, ModTime: h.ModTime, Uid: h.Uid, Gid: h.Gid}}
		if h.Typeflag == tar.TypeDir {
			e.Name += "/"
		}
		if e.Content, err = io.ReadAll(r); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
}
