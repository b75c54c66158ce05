//go:build unix

package helper

import "strings"

// FastParse parses the common command lines without reflection: those without flags, or
// with flags from a short list. The result is the same as kong's. ok is false for rare
// lines and for wrong ones: kong parses those, and says what is wrong.
func FastParse(args []string) (o *Options, ok bool) {
	o = &Options{}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		flag := args[0]
		args = args[1:]
		if flag == "--" {
			o.Words = args
			return o, len(args) > 0 && o.validate()
		}
		if o.setBool(flag) {
			continue
		}
		name, value, has := strings.Cut(flag, "=")
		if !has && len(args) > 0 {
			value, args = args[0], args[1:]
		} else if !strings.HasPrefix(flag, "--") {
			return nil, false
		}
		if value == "" || value[0] == '-' || !o.setValue(name, value) {
			return nil, false
		}
	}
	for _, word := range args {
		if strings.HasPrefix(word, "-") {
			return nil, false
		}
	}
	o.Words = args
	return o, len(args) > 0 && o.validate()
}

// setBool sets a flag that takes no value. It returns false for any other flag.
func (o *Options) setBool(flag string) bool {
	switch flag {
	case "-4", "--ipv4":
		o.IPv4 = true
	case "-6", "--ipv6":
		o.IPv6 = true
	case "--mptcp":
		o.MPTCP = true
	case "--require-mptcp":
		o.RequireMPTCP = true
	case "--banner":
		o.Banner = true
	case "--no-retry":
		o.NoRetry = true
	case "--names-only":
		o.NamesOnly = true
	case "--no-direct":
		o.NoDirect = true
	case "-v", "--verbose":
		o.Verbose++
	case "-vv":
		o.Verbose += 2
	default:
		return false
	}
	return true
}

// setValue sets a flag to its value. It returns false for an unknown flag, for a value that
// is not valid, and for a flag that was set before and takes one value.
func (o *Options) setValue(name, value string) bool {
	var text **string
	var time **span
	switch name {
	case "-p", "--port":
		text = &o.Port
	case "-b", "--bind-address":
		text = &o.BindAddress
	case "-B", "--interface":
		text = &o.Interface
	case "--proxy":
		o.Proxy = append(o.Proxy, value)
		return true
	case "--jump":
		o.Jump = append(o.Jump, value)
		return true
	case "--or":
		o.Or = append(o.Or, value)
		return true
	case "--fallback":
		time = &o.Fallback
	case "--proxy-auth":
		text = &o.ProxyAuth
	case "-w", "--timeout":
		time = &o.Timeout
	case "--delay":
		time = &o.Delay
	case "--head-start":
		time = &o.HeadStart
	default:
		return false
	}
	if text != nil {
		unset := *text == nil
		*text = &value
		return unset
	}
	unset := *time == nil
	*time = new(span)
	return unset && (*time).UnmarshalText([]byte(value)) == nil
}

// validate reports whether the flags can be used together.
func (o *Options) validate() bool { return !(o.IPv4 && o.IPv6) }
