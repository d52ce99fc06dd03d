package standby

import "pacific/internal/host/template"

// quota is how many of a class are to wait.
type quota struct {
	class template.Class
	count int
}

// quotas, the most urgent class first.
type quotas []quota

// typicalBytes is what one takes, and mostAutomatic how many there are at most unless the administrator wants more: the starts of a
// whole Deployment's pods on one host.
const (
	typicalBytes  = 100 << 20
	mostAutomatic = 8
)

// automatic is how many a host with this memory has: they take an eighth of it, which they give up when somebody needs it.
func automatic(memoryBytes uint64) int {
	return int(min(max(memoryBytes/8/typicalBytes, 1), mostAutomatic))
}

// each class has as many.
func each(classes []template.Class, count int) quotas {
	var all quotas
	for _, class := range classes {
		all = append(all, quota{class, count})
	}
	return all
}

// share gives each class one, and the most urgent what is left of a number.
func share(classes []template.Class, count int) quotas {
	all := each(classes, 1)
	if len(all) > 0 {
		all[0].count = max(count-(len(all)-1), 1)
	}
	return all
}

// missing is the class of which there are the fewest of its quota: the first of each comes before the second of any.
func (q quotas) missing(have map[template.Class]int) (template.Class, bool) {
	var class template.Class
	found, fewest := false, 0
	for _, of := range q {
		if n := have[of.class]; n < of.count && (!found || n < fewest) {
			class, found, fewest = of.class, true, n
		}
	}
	return class, found
}

// spend counts one of a class, and tells whether it is beyond the quota.
func (q quotas) spend(class template.Class) (beyond bool) {
	for i := range q {
		if q[i].class == class && q[i].count > 0 {
			q[i].count--
			return false
		}
	}
	return true
}
