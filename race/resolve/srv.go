package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
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
			return nil, notFound(name, "there is no such SRV record: ask for the host by its own name")
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
	if len(services) == 0 {
		service, domain, _ := strings.Cut(name, ".")
		_, domain, _ = strings.Cut(domain, ".")
		return nil, notFound(name, fmt.Sprintf("%s offers no %s (SRV target \".\")", domain, strings.TrimPrefix(service, "_")))
	}
	return services, nil
}
