package podspec

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	agentv1 "pacific/api/agent/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/hostfiles"
	"pacific/internal/spherelet/scratch"
)

// missing is the error for a reference that could not be read; nil when it is optional and not there.
func (c *Contents) missing(ref Reference, optional *bool) error {
	err := c.Missing[ref]
	if err == nil {
		err = fmt.Errorf("%s %q was not read", ref.kind(), ref.Name)
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	if optional != nil && *optional {
		return nil
	}
	return fmt.Errorf("%s %q not found", ref.kind(), ref.Name) // the kubelet's words
}

// volumes makes all volumes of the pod; the error joins a VolumeError for each that cannot be made.
func volumes(in Input, env Environment) ([]*agentv1.Volume, error) {
	b := builder{in: in, env: env}
	var out []*agentv1.Volume
	var problems []error
	for _, v := range in.Pod.Spec.Volumes {
		volume, err := b.volume(v)
		if err != nil {
			problems = append(problems, &VolumeError{v.Name, err})
			continue
		}
		out = append(out, volume)
	}
	return out, errors.Join(problems...)
}

func (b *builder) volume(v v1.Volume) (*agentv1.Volume, error) {
	if e := v.EmptyDir; e != nil {
		dir := &agentv1.Volume_EmptyDir{Memory: e.Medium == v1.StorageMediumMemory}
		if e.SizeLimit != nil {
			dir.SizeLimitBytes = e.SizeLimit.Value()
		}
		return &agentv1.Volume{Name: v.Name, Source: &agentv1.Volume_EmptyDir_{EmptyDir: dir}}, nil
	}
	if v.Image != nil {
		image := b.in.Images[podapi.VolumeKey(v.Name)]
		disk := &agentv1.Disk{Lun: image.LUN, Filesystem: image.Filesystem, ReadOnly: true}
		return &agentv1.Volume{Name: v.Name, Source: &agentv1.Volume_Image{Image: disk}}, nil
	}
	if scratch.Is(v.HostPath) {
		files, err := b.in.Contents.scratch(path.Clean(v.HostPath.Path))
		return &agentv1.Volume{Name: v.Name, Source: &agentv1.Volume_Scratch_{Scratch: &agentv1.Volume_Scratch{Files: files}}}, err
	}
	if v.HostPath != nil {
		return b.hostFile(v.Name, path.Clean(v.HostPath.Path))
	}
	if sources(v) == nil && v.Projected == nil {
		return nil, errors.New("volumes of this kind are not supported on this node")
	}
	files := &agentv1.Volume_Files{DefaultMode: defaultMode(v)}
	for _, s := range sources(v) {
		made, err := b.files(v, s)
		if err != nil {
			return nil, err
		}
		files.Files = append(files.Files, made...)
	}
	return &agentv1.Volume{Name: v.Name, Source: &agentv1.Volume_Files_{Files: files}}, nil
}

// hostFile is a volume that is the copy of a file of the host.
func (b *builder) hostFile(volume, file string) (*agentv1.Volume, error) {
	data, err := b.in.Contents.hostFile(file)
	if err != nil {
		return nil, err
	}
	return &agentv1.Volume{Name: volume, Source: &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{
		DefaultMode: 0o644, Single: true, Files: []*agentv1.File{{Path: path.Base(file), Data: data}}}}}, nil
}

func (c *Contents) hostFile(file string) ([]byte, error) {
	if data, ok := c.HostFiles[file]; ok {
		return data, nil
	}
	return nil, c.unread(file)
}

func (c *Contents) scratch(dir string) ([]*agentv1.File, error) {
	if files, ok := c.Scratch[dir]; ok {
		return files, nil
	}
	return nil, c.unread(dir)
}

// unread is why a hostPath is not in the contents.
func (c *Contents) unread(path string) error {
	if err := c.MissingFiles[path]; err != nil {
		return err
	}
	return fmt.Errorf("hostPath %s was not read", path)
}

// nodeHosts is the host's /etc/hosts for a pod on the host's network, nil for others.
func nodeHosts(in Input) ([]byte, error) {
	if !in.Pod.Spec.HostNetwork {
		return nil, nil
	}
	data, err := in.Contents.hostFile(hostfiles.Hosts)
	if err != nil {
		return nil, fmt.Errorf("the pod's /etc/hosts is the host's, for hostNetwork: %w", err)
	}
	return append([]byte{}, data...), nil // not nil, even when it is empty
}

func (b *builder) files(v v1.Volume, s v1.VolumeProjection) ([]*agentv1.File, error) {
	mode := defaultMode(v)
	switch {
	case s.ConfigMap != nil:
		m, err := b.configMap(s.ConfigMap.Name, s.ConfigMap.Optional)
		if m == nil || err != nil {
			return nil, err
		}
		data := maps.Clone(m.BinaryData)
		if data == nil {
			data = map[string][]byte{}
		}
		for k, text := range m.Data {
			data[k] = []byte(text)
		}
		return keyed(data, s.ConfigMap.Items, s.ConfigMap.Optional, mode)
	case s.Secret != nil:
		secret, err := b.secret(s.Secret.Name, s.Secret.Optional)
		if secret == nil || err != nil {
			return nil, err
		}
		return keyed(secret.Data, s.Secret.Items, s.Secret.Optional, mode)
	case s.DownwardAPI != nil:
		return b.downward(s.DownwardAPI.Items, mode)
	case s.ServiceAccountToken != nil:
		return b.token(v.Name, s.ServiceAccountToken.Path, mode)
	}
	return nil, errors.New("projections of this kind are not supported on this node")
}

// keyed makes a file of each key, or of those that items name.
func keyed(data map[string][]byte, items []v1.KeyToPath, optional *bool, mode int32) ([]*agentv1.File, error) {
	var files []*agentv1.File
	if len(items) == 0 {
		for _, k := range slices.Sorted(maps.Keys(data)) {
			files = append(files, &agentv1.File{Path: k, Data: data[k], Mode: mode})
		}
		return files, nil
	}
	for _, item := range items {
		content, ok := data[item.Key]
		if !ok {
			if optional != nil && *optional {
				continue
			}
			return nil, fmt.Errorf("references non-existent config key: %s", item.Key)
		}
		files = append(files, &agentv1.File{Path: item.Path, Data: content, Mode: orDefault(item.Mode, mode)})
	}
	return files, nil
}

func (b *builder) downward(items []v1.DownwardAPIVolumeFile, mode int32) ([]*agentv1.File, error) {
	var files []*agentv1.File
	for _, item := range items {
		var text string
		var err error
		if item.FieldRef != nil {
			text, err = b.field(item.FieldRef)
		} else if item.ResourceFieldRef != nil {
			text, err = resourceField(b.in.Pod, item.ResourceFieldRef, item.ResourceFieldRef.ContainerName, b.in.Size)
		}
		if err != nil {
			return nil, err
		}
		files = append(files, &agentv1.File{Path: item.Path, Data: []byte(text), Mode: orDefault(item.Mode, mode)})
	}
	return files, nil
}

// token makes the file of a service account token. As with the kubelet it is readable only by the one user of the pod's
// containers, or by its fsGroup, where there is such.
func (b *builder) token(volume, path string, mode int32) ([]*agentv1.File, error) {
	key := TokenKey{volume, path}
	if err := b.in.Contents.MissingTokens[key]; err != nil {
		return nil, fmt.Errorf("failed to fetch token: %w", err)
	}
	file := &agentv1.File{Path: path, Data: []byte(b.in.Contents.Tokens[key]), Mode: mode, Uid: onlyUser(b.in.Pod)}
	if s := b.in.Pod.Spec.SecurityContext; file.Uid != nil || (s != nil && s.FSGroup != nil) {
		file.Mode = 0o600
	}
	return []*agentv1.File{file}, nil
}

// onlyUser is the user that all containers run as, nil if they differ or the images decide.
func onlyUser(pod *v1.Pod) *int64 {
	var user *int64
	for i, c := range allContainers(pod) {
		var own *int64
		if pod.Spec.SecurityContext != nil {
			own = pod.Spec.SecurityContext.RunAsUser
		}
		if c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
			own = c.SecurityContext.RunAsUser
		}
		if own == nil || (i > 0 && *own != *user) {
			return nil
		}
		user = own
	}
	return user
}

func orDefault(mode *int32, otherwise int32) int32 {
	if mode != nil {
		return *mode
	}
	return otherwise
}
