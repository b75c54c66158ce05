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

// A Service has the data of an SRV record.
type Service struct {
	Host             string // the target without its last dot; empty for "."
	Port             uint16
	Priority, Weight uint16
}

// IsSRV reports whether host is the name of a service, such as _ssh._tcp.example.org
// (RFC 2782).
func IsSRV(host string) bool {
	service, rest, _ := strings.Cut(host, ".")
	protocol, domain, _ := strings.Cut(rest, ".")
	return len(service) > 1 && service[0] == '_' && len(protocol) > 1 && protocol[0] == '_' && domain != ""
}

// SRV asks for the SRV records of name, an absolute name with or without its last
// dot. They are in the order in which a client tries them: see OrderServices. There
// is at least one service with a host, or an error.
func SRV(ctx context.Context, name string) ([]Service, error) {
	// The last dot keeps the resolver from trying search domains.
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

// NoService is the reason in the error for a name without SRV records.
const NoService = "there is no such SRV record: ask for the host by its own name"

// offered returns an error if services is empty because all records of name have
// the target ".", with which a domain says that it does not offer the service.
func offered(name string, services []Service) error {
	if len(services) > 0 {
		return nil
	}
	service, domain, _ := strings.Cut(name, ".")
	_, domain, _ = strings.Cut(domain, ".")
	return NotFound(name, fmt.Sprintf("%s offers no %s (SRV target \".\")", domain, strings.TrimPrefix(service, "_")))
}

// OrderServices sorts the records of name as RFC 2782 demands: by priority, and those
// of equal priority at random, where a higher weight makes an earlier place more
// likely. It leaves out those without a host, and returns an error if none is left. It
// modifies services.
func OrderServices(name string, services []Service, random func() uint64) ([]Service, error) {
	services = slices.DeleteFunc(services, func(s Service) bool { return s.Host == "" })
	// The algorithm of RFC 2782 needs those of weight 0 first.
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
