package supervisor

import (
	"pacific/internal/supervisor/component"
	"pacific/internal/supervisor/controllers"
	"pacific/internal/supervisor/controllers/ncp"
	"pacific/internal/supervisor/controllers/noderole"
	"pacific/internal/supervisor/pki"
)

// controllers are Pacific's own.
func (c *Config) controllers() component.Stage {
	layout := c.layout()
	return component.Stage{
		&controllers.Runner{
			Controller: "ncp-controller",
			Kubeconfig: layout.Kubeconfig(pki.NCPController),
			New: func(kit controllers.Kit) (controllers.Controller, error) {
				return ncp.NewController(ncp.Config{Client: kit.Client, Informers: kit.Informers, Recorder: kit.Recorder}), nil
			},
		},
		&controllers.Runner{
			Controller: "node-role-controller",
			Kubeconfig: layout.Kubeconfig(pki.NodeRole),
			New: func(kit controllers.Kit) (controllers.Controller, error) {
				return noderole.NewController(kit.Client, kit.Informers)
			},
		},
	}
}
