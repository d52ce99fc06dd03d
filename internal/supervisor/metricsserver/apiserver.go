package metricsserver

import (
	"net/http"

	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/api/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/scraper"
	"sigs.k8s.io/metrics-server/pkg/storage"

	"pacific/internal/supervisor/pki"
)

// apiServer is a Kubernetes API server without objects: what it serves is installed by the caller. It knows users by the
// kube-apiserver's headers, client certificates and tokens, and asks the kube-apiserver what they may.
func (s *Server) apiServer() (*genericapiserver.GenericAPIServer, error) {
	config := genericapiserver.NewConfig(api.Codecs)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	namer := openapinamer.NewDefinitionNamer(api.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	for _, title := range []*string{&config.OpenAPIConfig.Info.Title, &config.OpenAPIV3Config.Info.Title} {
		*title = "Resource metrics"
	}
	config.EnableProfiling = false
	config.EnableMetrics = false // it has its own
	if err := s.secure(config); err != nil {
		return nil, err
	}
	server, err := config.Complete(nil).New("metrics-server", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}
	server.ShutdownTimeout = shutdownTimeout
	handler, err := metricsHandler()
	if err != nil {
		return nil, err
	}
	server.Handler.NonGoRestfulMux.Handle("/metrics", handler)
	return server, nil
}

func (s *Server) secure(config *genericapiserver.Config) error {
	files := s.config.Layout
	listener, err := s.listen()
	if err != nil {
		return err
	}
	serving := options.NewSecureServingOptions().WithLoopback()
	serving.Listener, serving.BindAddress, serving.BindPort = listener, s.config.Address, Port
	serving.ServerCert.CertKey = options.CertKey{CertFile: files.Cert(pki.ControlPlane), KeyFile: files.Key(pki.ControlPlane)}
	if err := serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return err
	}
	// All of it is said here, so that it need not be read from the kube-apiserver first.
	authentication := options.NewDelegatingAuthenticationOptions()
	authentication.RemoteKubeConfigFile = files.Kubeconfig(pki.MetricsServer)
	authentication.SkipInClusterLookup = true
	authentication.ClientCert.ClientCA = files.Cert(pki.CA)
	authentication.RequestHeader.ClientCAFile = files.Cert(pki.FrontProxyCA)
	authentication.RequestHeader.AllowedNames = []string{"front-proxy-client"}
	if err := authentication.ApplyTo(&config.Authentication, config.SecureServing, config.OpenAPIConfig); err != nil {
		return err
	}
	authorization := options.NewDelegatingAuthorizationOptions()
	authorization.RemoteKubeConfigFile = files.Kubeconfig(pki.MetricsServer)
	return authorization.ApplyTo(&config.Authorization)
}

// metricsHandler shows the metrics of the process, as the kube-apiserver does, and those of metrics-server's parts.
func metricsHandler() (http.Handler, error) {
	registry := metrics.NewKubeRegistry()
	for _, register := range []func(func(metrics.Registerable) error) error{
		scraper.RegisterScraperMetrics, api.RegisterAPIMetrics, storage.RegisterStorageMetrics,
	} {
		if err := register(registry.Register); err != nil {
			return nil, err
		}
	}
	own := metrics.HandlerFor(registry, metrics.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		legacyregistry.Handler().ServeHTTP(w, r)
		own.ServeHTTP(w, r)
	}), nil
}
