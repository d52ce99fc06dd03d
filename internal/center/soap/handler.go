// Package soap shows center's inventory to clients that look names up by the vSphere Web Services API (vim25) and storage
// policies by the Profile-Driven Storage API (pbm), such as govc. It only reads: whatever changes something is refused here, and
// done by REST. The protocol itself (SOAP, property collector, views) is govmomi's, as its simulator package has it.
package soap

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/vmware/govmomi/pbm"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"k8s.io/klog/v2"
)

const (
	// maxBody is far above any request that is allowed.
	maxBody = 1 << 20
	// fresh is how long an inventory is shown before it is asked for again.
	fresh = time.Second
)

// anonymous methods need no session.
var anonymous = []string{"RetrieveServiceContent", "PbmRetrieveServiceContent", "Login"}

// allowed methods need one. They look, and keep what a session looks at.
var allowed = []string{
	"Logout", "CurrentTime", "SessionIsActive",
	"RetrieveProperties", "RetrievePropertiesEx", "ContinueRetrievePropertiesEx", "CancelRetrievePropertiesEx", "Fetch",
	"CreatePropertyCollector", "DestroyPropertyCollector", "CreateFilter", "DestroyPropertyFilter",
	"WaitForUpdates", "WaitForUpdatesEx", "CheckForUpdates", "CancelWaitForUpdates",
	"CreateContainerView", "DestroyView",
	"FindByInventoryPath", "FindChild", "FindByUuid", "FindByIp", "FindByDnsName",
	"PbmQueryProfile", "PbmRetrieveContent",
}

// Handler serves /sdk and /pbm.
type Handler struct {
	logins   Logins
	source   Source
	service  *simulator.Service
	registry *simulator.Registry
	profiles *profileManager
	sessions *sessions

	mu     sync.Mutex
	looked time.Time
	shown  map[types.ManagedObjectReference]bool
}

// New shows what source tells to those whom logins let in. version is center's.
func New(logins Logins, source Source, version string) *Handler {
	content := vpx.ServiceContent
	content.About.Name, content.About.FullName = "Pacific center", "Pacific center "+version
	content.About.Vendor, content.About.LicenseProductName = "Pacific", "Pacific"
	content.About.Build = version
	ctx, instance := simulator.NewServiceInstance(simulator.NewContext(), content, vpx.RootFolder)
	service := simulator.New(ctx, instance)
	// The simulator accepts every password of this user's; ours are checked before it sees a call.
	service.Listen = &url.URL{User: simulator.DefaultLogin}
	profiles := &profileManager{}
	service.RegisterSDK(ctx.Map, ctx.Map.Path+"/vimService")
	service.RegisterSDK(policyService(profiles), pbm.Path+"/sdk")
	service.ServeMux.HandleFunc("GET "+vim25.Path+"/vimServiceVersions.xml", service.ServiceVersions)
	return &Handler{
		logins: logins, source: source, service: service, registry: ctx.Map, profiles: profiles,
		sessions: &sessions{now: time.Now, byID: map[string]*session{}}, shown: map[types.ManagedObjectReference]bool{},
	}
}

// Patterns that the handler is for.
func (h *Handler) Patterns() []string {
	return []string{"POST " + vim25.Path, "POST " + vim25.Path + "/vimService", "GET " + vim25.Path + "/vimServiceVersions.xml", "POST " + pbm.Path, "POST " + pbm.Path + "/sdk"}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		h.service.ServeMux.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fault(w, "the request cannot be read", &types.InvalidRequest{})
		return
	}
	call, err := parse(body)
	if err != nil {
		fault(w, err.Error(), &types.InvalidRequest{})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if call.cookie == "" {
		if cookie, err := r.Cookie(soap.SessionCookieName); err == nil {
			call.cookie = cookie.Value
		}
	}
	h.dispatch(w, r, call)
}

func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request, call call) {
	switch {
	case call.method == "Login":
		h.login(w, r, call)
		return
	case slices.Contains(anonymous, call.method):
		h.service.ServeMux.ServeHTTP(w, r)
		return
	case !slices.Contains(allowed, call.method):
		fault(w, fmt.Sprintf("center does not do %s by SOAP; it has the REST API for changes", call.method), &types.NotSupported{})
		return
	}
	permit, ok := h.sessions.get(call.cookie)
	if !ok || permit(r.Context()) != nil {
		h.sessions.remove(call.cookie)
		if call.asksForSession() {
			h.noSession(w, r)
			return
		}
		fault(w, "the session is not authenticated", &types.NotAuthenticated{NoPermission: types.NoPermission{PrivilegeId: "System.View"}})
		return
	}
	if call.method == "Logout" {
		h.sessions.remove(call.cookie)
	}
	if err := h.look(r.Context()); err != nil {
		klog.ErrorS(err, "Cannot show the inventory")
		fault(w, "center cannot read its inventory now; try again", &types.HostCommunication{})
		return
	}
	h.service.ServeMux.ServeHTTP(w, r)
}

// noSession lets a client ask whether it has a session, which it has not.
func (h *Handler) noSession(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Cookie")
	h.service.ServeMux.ServeHTTP(w, r)
}

func (h *Handler) login(w http.ResponseWriter, r *http.Request, call call) {
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	permit, err := h.logins.Login(r.Context(), source, call.user, call.password)
	if err == nil {
		err = permit(r.Context())
	}
	if err != nil {
		fault(w, "Cannot complete login due to an incorrect user name or password, or the user has no role on center.", &types.InvalidLogin{})
		return
	}
	// A cookie of an ended session would make the simulator refuse.
	r.Header.Del("Cookie")
	recorder := &cookieRecorder{ResponseWriter: w}
	h.service.ServeMux.ServeHTTP(recorder, r)
	if recorder.session != "" {
		h.sessions.add(recorder.session, permit)
	}
}

// cookieRecorder sees the session that the simulator begins, and keeps its cookie off unencrypted connections.
type cookieRecorder struct {
	http.ResponseWriter
	session string
}

func (c *cookieRecorder) WriteHeader(code int) {
	response := http.Response{Header: c.Header()}
	for _, cookie := range response.Cookies() {
		if cookie.Name == soap.SessionCookieName {
			c.session, cookie.Secure = cookie.Value, true
			cookie.Path = "/"
			c.Header().Set("Set-Cookie", cookie.String())
		}
	}
	c.ResponseWriter.WriteHeader(code)
}

// look brings the registry to the inventory as it is now.
func (h *Handler) look(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.looked) < fresh {
		return nil
	}
	inventory, err := h.source(ctx)
	if err != nil {
		return err
	}
	h.profiles.set(inventory.Policies)
	now := map[types.ManagedObjectReference]bool{}
	for _, object := range objects(inventory) {
		h.registry.Put(object)
		now[object.Reference()] = true
	}
	for gone := range h.shown {
		if !now[gone] {
			h.registry.Remove(h.service.Context, gone)
		}
	}
	h.shown, h.looked = now, time.Now()
	return nil
}

// call is what a request asks for.
type call struct {
	method, cookie string
	user, password string
	objects        []types.ManagedObjectReference
}

// asksForSession tells whether it only reads the session manager, as clients do to see whether they must log in.
func (c call) asksForSession() bool {
	if c.method != "RetrieveProperties" && c.method != "RetrievePropertiesEx" && c.method != "Fetch" {
		return false
	}
	return len(c.objects) > 0 && !slices.ContainsFunc(c.objects, func(o types.ManagedObjectReference) bool {
		return o.Type != "SessionManager"
	})
}

type envelope struct {
	XMLName xml.Name
	Header  struct {
		Cookie string `xml:"vcSessionCookie"`
	} `xml:"Header"`
	Body struct {
		Calls []request `xml:",any"`
	} `xml:"Body"`
}

type request struct {
	XMLName  xml.Name
	User     string `xml:"userName"`
	Password string `xml:"password"`
	Specs    []struct {
		Objects []struct {
			Object struct {
				Type  string `xml:"type,attr"`
				Value string `xml:",chardata"`
			} `xml:"obj"`
			Select []struct{} `xml:"selectSet"`
		} `xml:"objectSet"`
	} `xml:"specSet"`
	// Fetch names its object here.
	This struct {
		Type  string `xml:"type,attr"`
		Value string `xml:",chardata"`
	} `xml:"_this"`
}

func parse(body []byte) (call, error) {
	var e envelope
	if err := xml.Unmarshal(body, &e); err != nil {
		return call{}, fmt.Errorf("the request is no SOAP envelope: %w", err)
	}
	if e.XMLName.Local != "Envelope" || len(e.Body.Calls) != 1 {
		return call{}, fmt.Errorf("the request is no SOAP envelope with one call")
	}
	one := e.Body.Calls[0]
	c := call{method: one.XMLName.Local, cookie: e.Header.Cookie, user: one.User, password: one.Password}
	for _, spec := range one.Specs {
		for _, o := range spec.Objects {
			c.objects = append(c.objects, types.ManagedObjectReference{Type: o.Object.Type, Value: o.Object.Value})
			if len(o.Select) > 0 {
				c.objects = append(c.objects, types.ManagedObjectReference{}) // it goes on from there to others
			}
		}
	}
	return c, nil
}

// fault answers with a SOAP fault.
func fault(w http.ResponseWriter, text string, detail types.BaseMethodFault) {
	type faultDetail struct {
		Fault typed `xml:"Fault"`
	}
	body := struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Fault   struct {
			Code   string      `xml:"faultcode"`
			String string      `xml:"faultstring"`
			Detail faultDetail `xml:"detail"`
		} `xml:"Body>Fault"`
	}{}
	body.Fault.Code, body.Fault.String = "ServerFaultCode", text
	body.Fault.Detail.Fault.value = detail
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, xml.Header)
	if err := xml.NewEncoder(w).Encode(body); err != nil {
		klog.V(1).InfoS("Fault was not sent", "err", err)
	}
}
