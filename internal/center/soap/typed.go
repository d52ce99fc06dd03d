package soap

import (
	"encoding/xml"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
)

// typed is a fault with the name of its type, by which clients know it.
type typed struct{ value types.BaseMethodFault }

// MarshalXML implements xml.Marshaler.
func (t typed) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	kind := reflect.TypeOf(t.value).Elem().Name()
	start.Name = xml.Name{Local: kind + "Fault"}
	start.Attr = append(start.Attr,
		xml.Attr{Name: xml.Name{Local: "xmlns"}, Value: "urn:vim25"},
		xml.Attr{Name: xml.Name{Local: "xmlns:xsi"}, Value: "http://www.w3.org/2001/XMLSchema-instance"},
		xml.Attr{Name: xml.Name{Local: "xsi:type"}, Value: kind})
	return e.EncodeElement(t.value, start)
}
