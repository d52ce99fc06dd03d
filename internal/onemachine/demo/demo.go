// Package demo shows what an instance does: it pushes the example application's image, runs three replicas behind a
// Service and asks the Service who answers.
package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"pacific/examples"
	"pacific/internal/imagebuild"
	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
)

const (
	namespace = "default"
	name      = "web" // of Deployment and Service
	selector  = "app=web"
)

// Demo on one instance.
type Demo struct {
	Instance instance.Instance
	// Answers of the Service, once all stages are done.
	Answers []Answer

	layout layout.Layout
	client kubernetes.Interface
	image  string
}

// Stages of the demo, in order; each may be repeated.
func (d *Demo) Stages() []onemachine.Stage {
	return []onemachine.Stage{
		{Name: "Push image", Limit: time.Minute, Run: d.push},
		{Name: "Apply manifest", Limit: time.Minute, Run: d.apply},
		{Name: "Wait for replicas", Limit: 4 * time.Minute, Run: d.awaitReplicas},
		{Name: "Ask the Service", Limit: 2 * time.Minute, Run: d.ask},
	}
}

func (d *Demo) push(ctx context.Context, _ func(string)) (err error) {
	d.layout = layout.Layout{ID: d.Instance.ID, Home: d.Instance.Home}
	if d.client, err = onemachine.Kubernetes(d.layout); err != nil {
		return err
	}
	d.image = d.layout.Registry() + "/web:1"
	image, err := imagebuild.Build(ctx, "web", imagebuild.Inputs{Web: filepath.Join(d.Instance.Options.BinDir, "examples", "web")})
	if err != nil {
		return err
	}
	return imagebuild.Push(ctx, d.image, image, d.layout.RegistryCA(), nil)
}

// resources are the kinds that the manifest may have.
var resources = map[schema.GroupVersionKind]schema.GroupVersionResource{
	{Group: "apps", Version: "v1", Kind: "Deployment"}: {Group: "apps", Version: "v1", Resource: "deployments"},
	{Version: "v1", Kind: "Service"}:                   {Version: "v1", Resource: "services"},
}

func (d *Demo) apply(ctx context.Context, _ func(string)) error {
	config, err := onemachine.RESTConfig(d.layout)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	objects, err := parse(strings.ReplaceAll(examples.Web, "IMAGE", d.image))
	if err != nil {
		return err
	}
	for _, object := range objects {
		resource, ok := resources[object.GroupVersionKind()]
		if !ok {
			return fmt.Errorf("manifest: %s is not among the demo's kinds", object.GroupVersionKind())
		}
		options := metav1.ApplyOptions{FieldManager: "pacific-demo", Force: true}
		if _, err := client.Resource(resource).Namespace(namespace).Apply(ctx, object.GetName(), object, options); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// parse reads the documents of a manifest; comments before the first make no document.
func parse(manifest string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, document := range strings.Split(manifest, "\n---\n") {
		var content map[string]any
		if err := yaml.Unmarshal([]byte(document), &content); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		if len(content) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: content})
		}
	}
	return objects, nil
}
