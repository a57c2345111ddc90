"""A catalogue behind TLS that wants a client certificate: answers every request with capabilities.

usage: tls_server.py CERTIFICATE KEY AUTHORITY      prints the port, serves until it is killed
"""

import ssl
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

CAPABILITIES = b"""<csw:Capabilities xmlns:csw="http://www.opengis.net/cat/csw/2.0.2" xmlns:ows="http://www.opengis.net/ows">
<ows:OperationsMetadata><ows:Operation name="Transaction"/></ows:OperationsMetadata></csw:Capabilities>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(CAPABILITIES)))
        self.end_headers()
        self.wfile.write(CAPABILITIES)

    def log_message(self, *arguments):
        pass


class Server(HTTPServer):
    def handle_error(self, request, client_address):
        pass


certificate, key, authority = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.load_verify_locations(authority)
context.verify_mode = ssl.CERT_REQUIRED
# In TLS 1.3 a client learns only from the first answer that its certificate is not taken.
server = Server(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
