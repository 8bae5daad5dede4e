from http.server import *
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"stand-in hello\n")
import sys, signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if sys.argv[1:2]==["health"]:
    import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:8000/").read()); sys.exit()
ThreadingHTTPServer(("0.0.0.0", 8000), H).serve_forever()
