package supervisor

import (
	"os"
	"path/filepath"

	"pacific/internal/component"
	"pacific/internal/supervisor/apiserver"
	"pacific/internal/supervisor/login"
	"pacific/internal/supervisor/pki"
)

// login starts before the kube-apiserver, which asks it for the keys of tokens.
func (c *Config) login() component.Stage {
	if c.Tokens.Issuer == "" {
		return nil
	}
	layout := c.layout()
	return component.Stage{login.New(login.Config{
		Address: c.AdvertiseAddress, Bind: c.bind(), APIPort: Port,
		Cert: layout.Cert(pki.APIServer), Key: layout.Key(pki.APIServer), CA: layout.Cert(pki.CA),
		Issuer: c.Tokens.Issuer, IssuerCA: c.Tokens.CA, Audience: c.Tokens.Audience,
		DataDir: c.DataDir, PluginDir: c.pluginDir(),
	})}
}

func (c *Config) pluginDir() string {
	program, err := os.Executable()
	if c.Tokens.PluginDir != "" || err != nil {
		return c.Tokens.PluginDir
	}
	return filepath.Join(filepath.Dir(program), "plugins")
}

func (c *Config) tokens() apiserver.Tokens {
	if c.Tokens.Issuer == "" {
		return apiserver.Tokens{}
	}
	return apiserver.Tokens{
		Issuer: c.Tokens.Issuer, Audience: c.Tokens.Audience, KeysFile: login.KeysFile(c.DataDir),
		Discovery: func(state string) string { return login.Discovery(c.AdvertiseAddress, state) },
	}
}
