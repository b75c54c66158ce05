# Connects to a host and port, passes the connection over stdout and exits.
import socket, sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
with socket.socket(fileno=1) as ssh:
    socket.send_fds(ssh, [b"\0"], [connection.fileno()])
