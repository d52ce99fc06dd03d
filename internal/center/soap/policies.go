package soap

import (
	"slices"
	"sync"

	"github.com/vmware/govmomi/pbm"
	"github.com/vmware/govmomi/pbm/methods"
	"github.com/vmware/govmomi/pbm/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	vim "github.com/vmware/govmomi/vim25/types"
)

// policyService is the registry of /pbm, which knows storage policies by name.
func policyService(profiles *profileManager) *simulator.Registry {
	r := simulator.NewRegistry()
	r.Namespace, r.Path, r.Cookie = pbm.Namespace, pbm.Path, simulator.SOAPCookie
	profiles.ManagedObjectReference = vim.ManagedObjectReference{Type: "PbmProfileProfileManager", Value: "ProfileManager"}
	r.Put(&policyInstance{
		ManagedObjectReference: pbm.ServiceInstance,
		content: types.PbmServiceInstanceContent{
			AboutInfo:                 types.PbmAboutInfo{Name: "PBM", Version: "2.0"},
			SessionManager:            vim.ManagedObjectReference{Type: "PbmSessionManager", Value: "SessionManager"},
			CapabilityMetadataManager: vim.ManagedObjectReference{Type: "PbmCapabilityMetadataManager", Value: "CapabilityMetadataManager"},
			ProfileManager:            profiles.ManagedObjectReference,
			ComplianceManager:         vim.ManagedObjectReference{Type: "PbmComplianceManager", Value: "complianceManager"},
			PlacementSolver:           vim.ManagedObjectReference{Type: "PbmPlacementSolver", Value: "placementSolver"},
		},
	})
	r.Put(profiles)
	return r
}

type policyInstance struct {
	vim.ManagedObjectReference
	content types.PbmServiceInstanceContent
}

// PbmRetrieveServiceContent is called by the registry.
func (p *policyInstance) PbmRetrieveServiceContent(*types.PbmRetrieveServiceContent) soap.HasFault {
	return &methods.PbmRetrieveServiceContentBody{Res: &types.PbmRetrieveServiceContentResponse{Returnval: p.content}}
}

type profileManager struct {
	vim.ManagedObjectReference

	mu       sync.Mutex
	policies []Policy
}

func (p *profileManager) set(policies []Policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policies = policies
}

func (p *profileManager) list() []Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.policies)
}

// PbmQueryProfile lists the ids.
func (p *profileManager) PbmQueryProfile(*types.PbmQueryProfile) soap.HasFault {
	var ids []types.PbmProfileId
	for _, policy := range p.list() {
		ids = append(ids, types.PbmProfileId{UniqueId: policy.ID})
	}
	return &methods.PbmQueryProfileBody{Res: &types.PbmQueryProfileResponse{Returnval: ids}}
}

// PbmRetrieveContent tells about some.
func (p *profileManager) PbmRetrieveContent(request *types.PbmRetrieveContent) soap.HasFault {
	var found []types.BasePbmProfile
	for _, policy := range p.list() {
		if !slices.Contains(request.ProfileIds, types.PbmProfileId{UniqueId: policy.ID}) {
			continue
		}
		found = append(found, &types.PbmCapabilityProfile{
			PbmProfile:      types.PbmProfile{ProfileId: types.PbmProfileId{UniqueId: policy.ID}, Name: policy.Name, Description: policy.Description},
			ProfileCategory: string(types.PbmProfileCategoryEnumREQUIREMENT),
			ResourceType:    types.PbmProfileResourceType{ResourceType: string(types.PbmProfileResourceTypeEnumSTORAGE)},
			Constraints:     &types.PbmCapabilitySubProfileConstraints{},
		})
	}
	return &methods.PbmRetrieveContentBody{Res: &types.PbmRetrieveContentResponse{Returnval: found}}
}
