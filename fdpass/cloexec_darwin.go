package fdpass

// closeOnExec is 0: recvmsg(2) of darwin has no such flag.
const closeOnExec = 0
