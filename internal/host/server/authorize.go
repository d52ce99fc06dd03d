package server

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

// Clients by the common names of their certificates.
const (
	admin           = "admin"
	imageController = "image-controller"
	center          = "center"
	sphereletPrefix = "spherelet:"
)

// allowed says who besides the administrator may call a method. A method that is not here is the administrator's alone.
// The spherelet is that of this host.
var allowed = func() map[string][]string {
	const spherelet = sphereletPrefix
	table := map[string][]string{
		hostv1.Host_GetHost_FullMethodName:      {spherelet, imageController, center},
		hostv1.Host_GetInventory_FullMethodName: {center},

		hostv1.Pools_SetPool_FullMethodName:    {center},
		hostv1.Pools_DeletePool_FullMethodName: {center},
		hostv1.Pools_ListPools_FullMethodName:  {center},

		hostv1.Images_Pull_FullMethodName:   {imageController, center},
		hostv1.Images_Get_FullMethodName:    {imageController, spherelet, center},
		hostv1.Images_List_FullMethodName:   {imageController, spherelet, center},
		hostv1.Images_Remove_FullMethodName: {imageController, center},
		// The spherelet when its node is under disk pressure.
		hostv1.Images_CollectGarbage_FullMethodName: {spherelet},
	}
	for _, service := range []grpc.ServiceDesc{hostv1.VirtualMachines_ServiceDesc, hostv1.Disks_ServiceDesc} {
		for _, method := range service.Methods {
			table["/"+service.ServiceName+"/"+method.MethodName] = []string{spherelet, center}
		}
		for _, stream := range service.Streams {
			table["/"+service.ServiceName+"/"+stream.StreamName] = []string{spherelet, center}
		}
	}
	return table
}()

// permits decides by host name, client and method.
func permits(host, client, method string) bool {
	if client == admin {
		return true
	}
	role := client
	if client == sphereletPrefix+host {
		role = sphereletPrefix
	} else if client == sphereletPrefix {
		return false
	}
	return slices.Contains(allowed[method], role)
}

func authorize(ctx context.Context, host, method string) error {
	client, err := clientName(ctx)
	if err != nil {
		return err
	}
	if !permits(host, client, method) {
		return status.Errorf(codes.PermissionDenied, "client %q may not call %s on host %s; use another certificate", client, method, host)
	}
	return nil
}

func clientName(ctx context.Context) (string, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", status.Error(codes.Unauthenticated, "no peer")
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return "", status.Error(codes.Unauthenticated, "no client certificate that the host's authority signed")
	}
	return info.State.VerifiedChains[0][0].Subject.CommonName, nil
}

func unaryAuthorizer(host string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := authorize(ctx, host, info.FullMethod); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

func streamAuthorizer(host string) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		if err := authorize(stream.Context(), host, info.FullMethod); err != nil {
			return err
		}
		return next(srv, stream)
	}
}
