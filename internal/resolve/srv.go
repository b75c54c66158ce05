package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A Service is where one SRV record leads to.
type Service struct {
	Host             string // without the last dot
	Port             uint16
	Priority, Weight uint16
}

// IsSRV says whether host is the name of a service, _ssh._tcp.example.org (RFC
// 2782), for which it is asked where it is.
func IsSRV(host string) bool {
	service, rest, _ := strings.Cut(host, ".")
	protocol, domain, _ := strings.Cut(rest, ".")
	return len(service) > 1 && service[0] == '_' && len(protocol) > 1 && protocol[0] == '_' && domain != ""
}

// SRV asks where the service of that name is. The lowest priority goes first,
// and among equals chance decides by weight: a client tries them in this order.
// There is at least one service with a host, or an error.
func SRV(ctx context.Context, name string) ([]Service, error) {
	// The last dot keeps it from being looked for in search domains.
	_, records, err := resolver.LookupSRV(ctx, "", "", strings.TrimSuffix(name, ".")+".")
	if len(records) == 0 && err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return nil, NotFound(name, NoService)
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("lookup %s: %w", name, ctx.Err())
		}
		return nil, err
	}
	var services []Service
	for _, r := range records {
		if host := strings.TrimSuffix(r.Target, "."); host != "" {
			services = append(services, Service{host, r.Port, r.Priority, r.Weight})
		}
	}
	return services, offered(name, services)
}

// NoService is why there is no service of a name that has no SRV record.
const NoService = "there is no such SRV record: ask for the host by its own name"

// offered returns an error if services, the targets of all records of name, are
// none.
func offered(name string, services []Service) error {
	if len(services) > 0 {
		return nil
	}
	service, domain, _ := strings.Cut(name, ".")
	_, domain, _ = strings.Cut(domain, ".")
	return NotFound(name, fmt.Sprintf("%s offers no %s (SRV target \".\")", domain, strings.TrimPrefix(service, "_")))
}

// OrderServices puts the records of name into the order of RFC 2782: by priority,
// and among equals by chance, which weight favors. It returns an error if none of
// them has a host.
func OrderServices(name string, services []Service, random func() uint64) ([]Service, error) {
	services = slices.DeleteFunc(services, func(s Service) bool { return s.Host == "" })
	// Those of weight 0 go first, so that they have a chance of their own.
	slices.SortStableFunc(services, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	for i := range services {
		sum, end := uint64(0), i
		for ; end < len(services) && services[end].Priority == services[i].Priority; end++ {
			sum += uint64(services[end].Weight)
		}
		n := random() % (sum + 1)
		for j := i; j < end; j++ {
			if w := uint64(services[j].Weight); n > w {
				n -= w
				continue
			}
			chosen := services[j]
			copy(services[i+1:j+1], services[i:j])
			services[i] = chosen
			break
		}
	}
	return services, offered(name, services)
}
