package podworker

import (
	"crypto/sha256"

	"google.golang.org/protobuf/proto"

	agentv1 "pacific/api/agent/v1"
)

// told is what the agent of the present machine has been given, as digests by part of the pod.
type told map[string][sha256.Size]byte

// maxMessage bounds a message to the agent; ttrpc's own limit is 4 MiB. A single file has 1 MiB at most.
const maxMessage = 2 << 20

// news tells whether the part is not what the agent has, and takes it down.
func (t told) news(part string, m proto.Message) bool {
	data, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	digest := sha256.Sum256(data)
	if t[part] == digest {
		return false
	}
	t[part] = digest
	return true
}

// start is the pod as it is handed over: all of it, but for the files when they are too large for a message.
func (t told) start(pod *agentv1.Pod, deadline int64) *agentv1.Pod {
	large := proto.Size(pod) > maxMessage
	if large {
		pod = proto.Clone(pod).(*agentv1.Pod)
	}
	for _, v := range pod.Volumes {
		if f := v.GetFiles(); f != nil && large {
			v.Source = &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{DefaultMode: f.DefaultMode, More: true}}
		} else {
			t.news("volume/"+v.Name, v)
		}
	}
	for _, list := range [][]*agentv1.Container{pod.InitContainers, pod.Containers, pod.EphemeralContainers} {
		for _, c := range list {
			t.news("container/"+c.Name, c)
		}
	}
	t.deadline(deadline)
	return pod
}

// deadline tells whether the pod has another active deadline, in seconds from its start; 0 for none. What the agent is told
// is the time left, which is another one each time.
func (t told) deadline(seconds int64) bool {
	return t.news("deadline", &agentv1.Pod{ActiveDeadlineSeconds: seconds})
}

// updates are the messages that bring the agent up to date.
func (t told) updates(pod *agentv1.Pod, deadline int64) []*agentv1.UpdateRequest {
	var requests []*agentv1.UpdateRequest
	last, room := (*agentv1.UpdateRequest)(nil), 0
	request := func(size int) *agentv1.UpdateRequest {
		if last == nil || size > room {
			last, room = &agentv1.UpdateRequest{}, maxMessage
			requests = append(requests, last)
		}
		room -= size
		return last
	}
	for _, v := range pod.Volumes {
		if v.GetFiles() == nil || !t.news("volume/"+v.Name, v) {
			continue
		}
		for _, part := range parts(v) {
			r := request(proto.Size(part))
			r.Volumes = append(r.Volumes, part)
		}
	}
	for _, list := range [][]*agentv1.Container{pod.InitContainers, pod.Containers} {
		for _, c := range list {
			if c.ImageId == "" && c.ConfigError == "" {
				continue // it goes on as it is until its new image is there
			}
			if t.news("container/"+c.Name, c) {
				r := request(proto.Size(c))
				r.Containers = append(r.Containers, c)
			}
		}
	}
	for _, c := range pod.EphemeralContainers {
		if t.news("container/"+c.Name, c) {
			r := request(proto.Size(c))
			r.EphemeralContainers = append(r.EphemeralContainers, c)
		}
	}
	if t.deadline(deadline) {
		request(0).ActiveDeadlineSeconds = &pod.ActiveDeadlineSeconds
	}
	return requests
}

// parts splits the files of a volume.
func parts(v *agentv1.Volume) []*agentv1.Volume {
	var list []*agentv1.Volume
	var files *agentv1.Volume_Files
	room := 0
	for _, f := range v.GetFiles().Files {
		if size := proto.Size(f); files == nil || size > room {
			if files != nil {
				files.More = true
			}
			files, room = &agentv1.Volume_Files{DefaultMode: v.GetFiles().DefaultMode, Single: v.GetFiles().Single, Part: int32(len(list))}, maxMessage/2
			list = append(list, &agentv1.Volume{Name: v.Name, Source: &agentv1.Volume_Files_{Files: files}})
		}
		files.Files = append(files.Files, f)
		room -= proto.Size(f)
	}
	if list == nil {
		return []*agentv1.Volume{v}
	}
	return list
}
