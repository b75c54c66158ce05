# Completion of fdrace(1) for fish.

function __fdrace_addresses
    if type -q ip
        ip -o address show 2>/dev/null | awk '{ sub(/\/.*/, "", $4); print $4 (($4 ~ /^fe80:/) ? "%" $2 : "") }'
    else
        ifconfig 2>/dev/null | awk '$1 ~ /^inet6?$/ { print $2 }'
    end
end

# A target is an ssh alias or a name in known_hosts.
complete -c fdrace -f -a '(__fish_print_hostnames)'

complete -c fdrace -l names-only -d 'Accept only host names and IP addresses as targets'
complete -c fdrace -s 4 -l ipv4 -d 'Use IPv4 addresses only'
complete -c fdrace -s 6 -l ipv6 -d 'Use IPv6 addresses only'
complete -c fdrace -s p -l port -x -d 'Default port of the targets'
complete -c fdrace -s w -l timeout -x -d 'Time limit for the whole race'
complete -c fdrace -l delay -x -d 'Time between two attempts on a target'
complete -c fdrace -l head-start -x -d 'How far each target is ahead of the next'
complete -c fdrace -l wait -x -d 'Try again for this time'
complete -c fdrace -l wake -d 'Send Wake-on-LAN packets'
complete -c fdrace -l mptcp -d 'Use Multipath TCP where the server speaks it'
complete -c fdrace -l require-mptcp -d 'Use Multipath TCP or fail'
complete -c fdrace -s b -l bind-address -x -a '(__fdrace_addresses)' -d 'Connect from this local address'
complete -c fdrace -s B -l interface -x -a '(__fish_print_interfaces)' -d 'Connect through this interface'
complete -c fdrace -l every-interface -d 'Also try every interface that is up'
complete -c fdrace -l banner -d 'Wait for the SSH banner of the server'
complete -c fdrace -l host-key -x -a '(__fish_print_hostnames)' -d 'Accept only servers with a known host key for this name'
complete -c fdrace -l known-hosts -r -F -d 'known_hosts file for --host-key'
complete -c fdrace -l host-key-always -d 'Check every address with --host-key'
complete -c fdrace -l no-retry -d 'Open one connection to each address'
complete -c fdrace -l proxy -x -a 'socks5:// socks4a:// http://' -d 'Also ask this proxy for the first target'
complete -c fdrace -l proxy-auth -r -F -d 'File with USER:PASSWORD for proxies'
complete -c fdrace -l no-direct -d 'Connect only through proxies, jump hosts and commands'
complete -c fdrace -l jump -x -a '(__fish_print_hostnames)' -d 'Jump host for when no target answers'
complete -c fdrace -l or -x -a '(__fish_complete_command)' -d 'Other ProxyCommand for when no target answers'
complete -c fdrace -l fallback -x -d 'How long after the last target --jump and --or start'
complete -c fdrace -s v -l verbose -d 'Print the winner, or every step if given twice'
complete -c fdrace -l log -r -F -d 'Append every step to this file'
complete -c fdrace -l setup -d 'Print a Host block for ssh_config'
complete -c fdrace -l explain -d 'Try every address and print the result'
complete -c fdrace -l doctor -d 'Check this machine and what ssh ALIAS needs'
complete -c fdrace -s F -l ssh-config -r -F -d 'ssh_config file for --doctor and --jump'
complete -c fdrace -l json -d 'Print JSON with --explain or --doctor'
complete -c fdrace -s V -l version -d 'Print the version'
complete -c fdrace -s h -l help -d 'Print the help'
