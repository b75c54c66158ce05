# Completion of fdrace(1) for bash, 3.2 or later. It needs nothing else.

_fdrace() {
	local line=${COMP_LINE:0:COMP_POINT} before word flag i
	before=${line%"${line##*[[:space:]]}"}
	word=${line#"$before"}
	local -a words
	IFS=$' \t\n' read -ra words <<<"$before"
	local hosts_only=
	for ((i = 1; i < ${#words[@]}; i++)); do
		[[ ${words[i]} != -- ]] || hosts_only=yes
	done
	flag=${words[${#words[@]} - 1]}
	if [[ $word == --*=* ]]; then
		flag=${word%%=*}
		word=${word#*=}
	fi
	COMPREPLY=()
	[[ -z $hosts_only ]] || flag=--

	case $flag in
	-p | --port | -w | --timeout | --delay | --head-start | --wait | --fallback | --or)
		return ;;
	--proxy-auth | --known-hosts | --log | -F | --ssh-config)
		# readline itself completes ~ and names with blanks; bash 3.2 has no compopt.
		compopt -o default 2>/dev/null || _fdrace_reply "$word" < <(compgen -f -- "$word")
		return ;;
	-b | --bind-address)
		_fdrace_reply "$word" < <(_fdrace_addresses)
		return ;;
	-B | --interface)
		_fdrace_reply "$word" < <(_fdrace_interfaces)
		return ;;
	--proxy)
		compopt -o nospace 2>/dev/null
		_fdrace_reply "$word" < <(printf '%s\n' socks5:// socks4a:// http://)
		return ;;
	--jump | --host-key)
		_fdrace_reply "$word" < <(_fdrace_hosts)
		return ;;
	esac

	if [[ $word == -* && -z $hosts_only ]]; then
		# A flag that ends in = takes a value, and may be given as two words.
		_fdrace_reply "$word" < <(printf '%s\n' --names-only \
			-4 --ipv4 -6 --ipv6 -p --port= -w --timeout= --delay= --head-start= --wait= --wake \
			--mptcp --require-mptcp -b --bind-address= -B --interface= --every-interface \
			--banner --host-key= --known-hosts= --host-key-always --no-retry --proxy= --proxy-auth= --no-direct --jump= --or= --fallback= \
			-v --verbose --log= --setup --explain --doctor -F --ssh-config= --json -V --version -h --help)
		[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
		return
	fi
	_fdrace_reply "$word" < <(_fdrace_hosts)
}

# _fdrace_reply offers those lines of its input that begin with the word $1. bash
# replaces only what follows the last = or : of a word.
_fdrace_reply() {
	local word=$1 skip='' candidate
	[[ $word != *:* || $COMP_WORDBREAKS != *:* ]] || skip=${word%"${word##*:}"}
	while IFS= read -r candidate; do
		[[ $candidate != "$word"* ]] || COMPREPLY+=("${candidate#"$skip"}")
	done
}

# _fdrace_hosts prints the aliases in the ssh_config files and the readable names
# in the known_hosts files.
_fdrace_hosts() {
	{
		_fdrace_aliases ~/.ssh 0 ~/.ssh/config
		_fdrace_aliases /etc/ssh 0 /etc/ssh/ssh_config
		awk '{
			n = split($1 ~ /^@/ ? $2 : $1, names, ",")
			for (i = 1; i <= n; i++) {
				if (names[i] ~ /[|#*?!]/) continue
				sub(/^\[/, "", names[i])
				sub(/\](:[0-9]+)?$/, "", names[i])
				print names[i]
			}
		}' ~/.ssh/known_hosts ~/.ssh/known_hosts2 /etc/ssh/ssh_known_hosts 2>/dev/null
	} | sort -u
}

# _fdrace_aliases DIR DEPTH FILE... prints the names of the Host blocks that are
# no patterns. DIR is where ssh looks for files that Include names.
_fdrace_aliases() {
	local dir=$1 depth=$2 file line word
	local -a words
	shift 2
	for file; do
		[[ -f $file && -r $file ]] || continue
		while read -r line || [[ -n $line ]]; do
			IFS=$' \t' read -ra words <<<"${line/=/ }"
			case ${words[0]-} in
			[Hh][Oo][Ss][Tt])
				for word in "${words[@]:1}"; do
					[[ $word == *[*?!\"#]* ]] || printf '%s\n' "$word"
				done ;;
			[Ii][Nn][Cc][Ll][Uu][Dd][Ee])
				for word in "${words[@]:1}"; do
					case $word in
					\~/*) word=$HOME/${word#\~/} ;;
					/*) ;;
					*) word=$dir/$word ;;
					esac
					# Not quoted, as it may be a pattern. ssh reads 16 levels.
					((depth >= 16)) || _fdrace_aliases "$dir" $((depth + 1)) $word
				done ;;
			esac
		done <"$file"
	done
}

_fdrace_interfaces() {
	if [[ -d /sys/class/net ]]; then
		(cd /sys/class/net && printf '%s\n' *)
	else
		ifconfig -l 2>/dev/null | tr ' ' '\n'
	fi
}

_fdrace_addresses() {
	if type ip >/dev/null 2>&1; then
		ip -o address show 2>/dev/null | awk '{ sub(/\/.*/, "", $4); print $4 (($4 ~ /^fe80:/) ? "%" $2 : "") }'
	else
		ifconfig 2>/dev/null | awk '$1 ~ /^inet6?$/ { print $2 }'
	fi
}

complete -F _fdrace fdrace
