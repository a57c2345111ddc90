"""A catalogue for tests: pycsw 2.6.2 with transactions on SQLite, on a free port of this machine.

usage: pycsw_server.py FOLDER      prints the port, serves until standard input ends
"""

import contextlib
import io
import os
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pycsw

CONFIG = """[server]
home={home}
url=http://127.0.0.1:{port}/csw
mimetype=application/xml; charset=UTF-8
encoding=UTF-8
language=de-DE
maxrecords=10
ogc_schemas_base=http://schemas.opengis.net
pretty_print=true
gzip_compresslevel=0
profiles=apiso
[manager]
transactions=true
allowed_ips=127.0.0.1
[metadata:main]
identification_title=Test
identification_abstract=Test
identification_keywords=catalogue
identification_keywords_type=theme
identification_fees=None
identification_accessconstraints=None
provider_name=Org
provider_url=http://localhost
contact_name=N
contact_position=P
contact_address=A
contact_city=C
contact_stateorprovince=S
contact_postalcode=0
contact_country=DE
contact_phone=0
contact_fax=0
contact_email=a@example.org
contact_url=http://localhost
contact_hours=0
contact_instructions=0
contact_role=pointOfContact
[repository]
database=sqlite:///{folder}/catalogue.db
table=records
[metadata:inspire]
enabled=true
languages_supported=ger,eng
default_language=ger
date=2025-01-01
gemet_keywords=Utility and governmental services
conformity_service=notEvaluated
contact_name=Org
contact_email=a@example.org
temp_extent=2020-01-01/2025-01-01
"""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


def main(folder):
    # The port is bound before the configuration names it.
    lock = threading.Lock()
    application = None

    def serve(environ, start_response):
        # SQLite takes one writer at a time, and this is no test of its locks.
        with lock:
            return list(application(environ, start_response))

    server = make_server("127.0.0.1", 0, serve, server_class=Server, handler_class=Quiet)
    config = os.path.join(folder, "pycsw.cfg")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(home=os.path.dirname(pycsw.__file__), port=server.server_port, folder=folder))
    os.environ["PYCSW_CONFIG"] = config
    from pycsw.core import admin

    with contextlib.redirect_stdout(io.StringIO()):
        admin.setup_db(f"sqlite:///{folder}/catalogue.db", "records", os.path.dirname(pycsw.__file__))
    from pycsw import wsgi

    application = wsgi.application
    print(server.server_port, flush=True)
    # It logs every fault that a test provokes, and nobody reads that.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


main(sys.argv[1])
