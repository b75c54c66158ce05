package fdpass

// closeOnExec is nothing here: recvmsg(2) of darwin has no such flag.
const closeOnExec = 0
