package spherelet

import (
	"net"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	"k8s.io/utils/ptr"

	"pacific/internal/spherelet/node"
)

// configuration tells, in the kubelet's terms, how the spherelet works: tools read it from /configz. What has no meaning
// for a host of machines is left out.
func (o *Options) configuration() *kubeletconfig.KubeletConfiguration {
	address, port, _ := net.SplitHostPort(o.Listen)
	number, _ := strconv.ParseInt(port, 10, 32)
	return &kubeletconfig.KubeletConfiguration{
		TypeMeta:          metav1.TypeMeta{Kind: "KubeletConfiguration", APIVersion: kubeletconfig.SchemeGroupVersion.String()},
		Address:           address,
		Port:              int32(number),
		TLSCertFile:       o.TLSCert,
		TLSPrivateKeyFile: o.TLSKey,
		Authentication: kubeletconfig.KubeletAuthentication{
			X509:      kubeletconfig.KubeletX509Authentication{ClientCAFile: o.ClientCA},
			Webhook:   kubeletconfig.KubeletWebhookAuthentication{Enabled: ptr.To(true), CacheTTL: metav1.Duration{Duration: 2 * time.Minute}},
			Anonymous: kubeletconfig.KubeletAnonymousAuthentication{Enabled: ptr.To(false)},
		},
		Authorization: kubeletconfig.KubeletAuthorization{
			Mode: kubeletconfig.KubeletAuthorizationModeWebhook,
			Webhook: kubeletconfig.KubeletWebhookAuthorization{
				CacheAuthorizedTTL: metav1.Duration{Duration: 5 * time.Minute}, CacheUnauthorizedTTL: metav1.Duration{Duration: 30 * time.Second},
			},
		},
		ClusterDomain:                o.ClusterDomain,
		ClusterDNS:                   o.ClusterDNS,
		ResolverConfig:               ptr.To(o.Resolver),
		MaxPods:                      int32(o.MaxPods),
		NodeStatusUpdateFrequency:    metav1.Duration{Duration: node.ObserveEvery},
		NodeStatusReportFrequency:    metav1.Duration{Duration: node.ReportEvery},
		NodeLeaseDurationSeconds:     node.LeaseSeconds,
		EnableServer:                 ptr.To(true),
		EnableDebuggingHandlers:      ptr.To(true),
		SerializeImagePulls:          ptr.To(false),
		RegisterNode:                 ptr.To(true),
		ContainerRuntimeEndpoint:     "hostd://" + o.Hostd,
		KubeAPIQPS:                   ptr.To[int32](kubeQPS),
		KubeAPIBurst:                 kubeBurst,
		EnableControllerAttachDetach: ptr.To(true),
	}
}
