package stub

import "time"

const (
	// MaxServers is how many name servers are used: MAXNS of resolv.conf(5).
	MaxServers = 3

	// maxSearch bounds the search list. glibc had a limit of six domains until 2.26.
	maxSearch = 32
)

// A Config is the content of resolv.conf(5). Its strings point into the arguments of
// Parse.
type Config struct {
	Servers  [MaxServers]Addr // asked at port 53
	NServers int

	Search  [maxSearch]string // each without a trailing dot
	NSearch int

	Ndots    int           // a name with at least that many dots is first tried as it is
	Timeout  time.Duration // Timeout × Attempts bounds the time for one question
	Attempts int

	SingleRequest bool // ask the second question only after the first has been answered
	NoAAAA        bool // do not ask for AAAA records
	UseVC         bool // ask over TCP
	Rotate        bool // start with a random server: for this, the caller calls RotateBy
	NoTLDQuery    bool // do not ask for a name of a single label without a search domain
}

// Init sets the defaults of resolv.conf(5). There is no name server yet: without
// a nameserver line, Parse adds this machine's own.
func (c *Config) Init() {
	*c = Config{Ndots: 1, Timeout: 5 * time.Second, Attempts: 2}
}

// Parse parses text, the content of resolv.conf, which may be empty. localdomain and
// options are the environment variables LOCALDOMAIN, which replaces the search list
// unless it is empty, and RES_OPTIONS. If there is no search list, the domain of
// hostname is searched; hostname may be empty.
func (c *Config) Parse(text, localdomain, options, hostname string) {
	c.Init()
	listed := false
	for len(text) > 0 {
		var line, keyword string
		line, text = cutLine(text)
		keyword, line = cutWord(line)
		switch keyword {
		case "nameserver":
			server, _ := cutWord(line)
			if n := c.NServers; uint(n) < MaxServers && c.Servers[n].ParseAddr(server) {
				c.NServers++
			}
		case "domain":
			line, _ = cutWord(line)
			listed = c.setSearch(line) || listed
		case "search":
			listed = c.setSearch(line) || listed
		case "options":
			c.setOptions(line)
		}
	}
	if !c.setSearch(localdomain) && !listed {
		for i := 0; i < len(hostname); i++ {
			if hostname[i] == '.' {
				c.setSearch(cut(hostname, i+1, len(hostname)))
				break
			}
		}
	}
	c.setOptions(options)
	if c.NServers == 0 {
		c.Servers[0] = Addr{IP: [16]byte{127, 0, 0, 1}, Is4: true}
		c.NServers = 1
	}
}

// RotateBy makes the server that is n places further down the first one.
func (c *Config) RotateBy(n int) {
	if c.NServers < 1 || c.NServers > MaxServers {
		return
	}
	for n %= c.NServers; n > 0; n-- {
		for i := range c.Servers[1:] {
			if i+1 < c.NServers {
				c.Servers[i], c.Servers[i+1] = c.Servers[i+1], c.Servers[i]
			}
		}
	}
}

// setSearch makes the words of list the search list, unless there are none. "."
// is the root: it stands for the name as it is, which is tried in any case.
func (c *Config) setSearch(list string) (ok bool) {
	for {
		var domain string
		domain, list = cutWord(list)
		if domain == "" {
			return ok
		}
		if !ok {
			c.NSearch, ok = 0, true
		}
		if domain = trimDot(domain); domain != "" && uint(c.NSearch) < maxSearch {
			c.Search[c.NSearch] = domain
			c.NSearch++
		}
	}
}

func (c *Config) setOptions(list string) {
	for {
		var option string
		option, list = cutWord(list)
		switch option {
		case "":
			return
		case "single-request", "single-request-reopen": // each question has its own socket anyway
			c.SingleRequest = true
		case "no-aaaa":
			c.NoAAAA = true
		case "use-vc":
			c.UseVC = true
		case "rotate":
			c.Rotate = true
		case "no-tld-query":
			c.NoTLDQuery = true
		default:
			// The bounds are those of resolv.conf(5).
			if n, ok := number(option, "ndots:"); ok {
				c.Ndots = min(n, 15)
			} else if n, ok := number(option, "timeout:"); ok {
				c.Timeout = time.Duration(max(1, min(n, 30))) * time.Second
			} else if n, ok := number(option, "attempts:"); ok {
				c.Attempts = max(1, min(n, 5))
			}
		}
	}
}

// number reads the decimal number after prefix. Large ones are cut to 1000.
func number(s, prefix string) (n int, ok bool) {
	if len(s) <= len(prefix) || s[:len(prefix)] != prefix {
		return 0, false
	}
	for i := len(prefix); i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int(s[i]-'0'), 1000)
	}
	return n, true
}

// cutLine returns the first line of text without its comment, and the rest of the
// text. A comment starts the line or follows a blank.
func cutLine(text string) (line, rest string) {
	end, comment := 0, -1
	before := byte(' ')
	for ; uint(end) < uint(len(text)) && text[end] != '\n'; end++ {
		if (text[end] == '#' || text[end] == ';') && comment < 0 && isBlank(before) {
			comment = end
		}
		before = text[end]
	}
	line = cut(text, 0, end)
	if comment >= 0 {
		line = cut(text, 0, comment)
	}
	return line, cut(text, end+1, len(text))
}

// cutWord returns the first word of line, and the rest of the line.
func cutWord(line string) (word, rest string) {
	start := 0
	for uint(start) < uint(len(line)) && isBlank(line[start]) {
		start++
	}
	end := start
	for uint(end) < uint(len(line)) && !isBlank(line[end]) {
		end++
	}
	return cut(line, start, end), cut(line, end, len(line))
}
