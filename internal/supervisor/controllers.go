package supervisor

import (
	"context"

	"pacific/internal/component"
	"pacific/internal/supervisor/controllers"
	"pacific/internal/supervisor/controllers/hostdial"
	"pacific/internal/supervisor/controllers/image"
	"pacific/internal/supervisor/controllers/ncp"
	"pacific/internal/supervisor/controllers/noderole"
	"pacific/internal/supervisor/pki"
)

// controllers are Pacific's own.
func (c *Config) controllers() component.Stage {
	layout := c.layout()
	return component.Stage{
		&controllers.Runner{Controller: "image-controller", Kubeconfig: layout.Kubeconfig(pki.ImageController), New: c.newImage},
		&controllers.Runner{Controller: "ncp-controller", Kubeconfig: layout.Kubeconfig(pki.NCPController), New: newNCP},
		&controllers.Runner{Controller: "node-role-controller", Kubeconfig: layout.Kubeconfig(pki.NodeRole), New: newNodeRole},
	}
}

func newNCP(kit controllers.Kit) (controllers.Controller, error) {
	return ncp.NewController(ncp.Config{Client: kit.Client, Informers: kit.Informers, Recorder: kit.Recorder}), nil
}

func newNodeRole(kit controllers.Kit) (controllers.Controller, error) {
	return noderole.NewController(kit.Client, kit.Informers)
}

func (c *Config) newImage(kit controllers.Kit) (controllers.Controller, error) {
	hosts := hostdial.New(kit.Informers.Core().V1().Nodes().Lister(), c.Host)
	controller := image.NewController(image.Config{
		Client: kit.Client, Informers: kit.Informers, Recorder: kit.Recorder,
		HostDialer: hosts.Dial, RegistryConfigDir: c.RegistryConfig,
	})
	return &imageController{Controller: controller, hosts: hosts}, nil
}

// imageController is the image controller with its connections to hosts.
type imageController struct {
	*image.Controller
	hosts *hostdial.Dialer
}

// Run works until ctx is cancelled, then closes the connections.
func (c *imageController) Run(ctx context.Context) error {
	defer c.hosts.Close()
	return c.Controller.Run(ctx)
}
